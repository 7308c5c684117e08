/**
 * All ranks begin from the same checkpoint: rank 0 names the newest, every rank reads what it needs of it, and
 * when one of them finds damage all go on to the one before. GANTRY_RESUME_FROM names one of another run.
 */
import { dirname, resolve } from 'node:path';
import type { ModelConfig } from '@gantry/training/parallel';
import {
  checkpointPath,
  findDamage,
  listCheckpoints,
  openCheckpoint,
  readCheckpoint,
  type DamagedCheckpoint,
  type FoundCheckpoint,
} from '../checkpoint/index.ts';
import type { World } from '../group/index.ts';
import type { ModelShard } from '../parallel/index.ts';
import { UserFault } from './user-fault.ts';

export interface CheckpointSearch {
  readonly world: World;
  readonly directory: string;
  /** Of another run; undefined or empty when there is none. */
  readonly resumeFrom: string | undefined;
  readonly config: ModelConfig;
  readonly dataDigest: string;
  readonly optimizer: string;
  readonly shard: ModelShard;
}

export interface StartingPoint {
  readonly resumed: FoundCheckpoint | undefined;
  readonly damaged: readonly DamagedCheckpoint[];
}

export async function shareCheckpoint(search: CheckpointSearch): Promise<StartingPoint> {
  const { world, directory } = search;
  const damaged: DamagedCheckpoint[] = [];
  const candidates = world.index === 0 ? await listCheckpoints(directory) : [];
  for (;;) {
    const step = await tell(world, (candidates.shift()?.step ?? -1) + 1);
    if (step === 0) return { resumed: await readNamed(search), damaged };
    const path = checkpointPath(directory, step - 1);
    const found = await tryRead(search, path);
    const failed = Float32Array.of('reason' in found ? 1 : 0);
    await world.allReduceSum(failed);
    if (failed[0] === 0 && 'checkpoint' in found) return { resumed: found.checkpoint, damaged };
    if (world.index === 0) damaged.push({ path, reason: await reasonOf(path, found) });
  }
}

type Read = { readonly checkpoint: FoundCheckpoint } | { readonly reason: string };

async function tryRead(search: CheckpointSearch, path: string): Promise<Read> {
  try {
    const checkpoint = await openCheckpoint(path);
    checkResumes(checkpoint, search);
    await readCheckpoint(checkpoint, search.config, search.shard);
    return { checkpoint };
  } catch (error) {
    if (error instanceof UserFault) throw error;
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** What another rank has found, rank 0 looks up itself. */
async function reasonOf(path: string, found: Read): Promise<string> {
  if ('reason' in found) return found.reason;
  return (await findDamage(found.checkpoint)) ?? `another rank could not read ${path}`;
}

async function readNamed(search: CheckpointSearch): Promise<FoundCheckpoint | undefined> {
  const { resumeFrom, directory } = search;
  if (resumeFrom === undefined || resumeFrom === '') return undefined;
  if (dirname(resolve(resumeFrom)) === resolve(directory)) return undefined;
  const found = await tryRead(search, resumeFrom);
  if ('checkpoint' in found) return found.checkpoint;
  throw new UserFault(
    'checkpoint_damaged',
    `The checkpoint ${resumeFrom} cannot be used: ${found.reason}.`,
    'Name another checkpoint, or none.',
  );
}

/** A float32 is exact up to 2^24: whole numbers travel in two halves. */
const half = 2 ** 20;

async function tell(world: World, value: number): Promise<number> {
  const digits =
    world.index === 0 ? Float32Array.of(Math.floor(value / half), value % half) : new Float32Array(2);
  await world.broadcast(digits, 0);
  const [high, low] = digits as unknown as readonly [number, number];
  return high * half + low;
}

function checkResumes(
  { step, manifest }: FoundCheckpoint,
  { config, dataDigest, optimizer }: CheckpointSearch,
): void {
  if (manifest.optimizer !== optimizer) {
    throw new UserFault(
      'checkpoint_mismatch',
      `The checkpoint at step ${step} was trained with ${manifest.optimizer}, not with ${optimizer}.`,
      'Keep train.optimizer, or start a new job.',
    );
  }
  if (JSON.stringify(manifest.shape) !== JSON.stringify(config)) {
    throw new UserFault(
      'checkpoint_mismatch',
      `The checkpoint at step ${step} belongs to a model of another shape.`,
      'Start a new job for a new shape.',
    );
  }
  if (manifest.dataDigest !== dataDigest) {
    throw new UserFault(
      'checkpoint_mismatch',
      `The checkpoint at step ${step} was trained on other data or with another tokenizer.`,
      'Start a new job for new data.',
    );
  }
}
