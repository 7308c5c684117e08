/** `train.warmStart`: a new training that begins with what fits of another one's weights, and says what did. */
import { resolve } from 'node:path';
import type { ParameterMatch } from '@gantry/training/run';
import { listCheckpoints, openCheckpoint, readMatching } from '../checkpoint/index.ts';
import type { ModelShard } from '../parallel/index.ts';
import { UserFault } from './user-fault.ts';

export interface WarmStart extends ParameterMatch {
  readonly path: string;
  readonly step: number;
}

/** `path` is a checkpoint, a folder of them or a run's directory: of several the newest counts. */
export async function warmStart(path: string, cwd: string, shard: ModelShard): Promise<WarmStart> {
  const folder = resolve(cwd, path);
  const inside = [
    ...(await listCheckpoints(folder)),
    ...(await listCheckpoints(resolve(folder, 'checkpoints'))),
  ];
  const chosen = inside[0]?.path ?? folder;
  let match: ParameterMatch;
  let step: number;
  try {
    const checkpoint = await openCheckpoint(chosen);
    ({ step } = checkpoint);
    match = await readMatching(checkpoint, shard);
  } catch (error) {
    throw new UserFault(
      'checkpoint_damaged',
      `The checkpoint ${path} cannot be used for a warm start: ${error instanceof Error ? error.message : String(error)}.`,
      'Name a checkpoint folder (step-…), a folder of them, or the directory of a run.',
    );
  }
  if (match.matched.length > 0) return { path: chosen, step, ...match };
  throw new UserFault(
    'checkpoint_mismatch',
    `No parameter of ${path} has the name and shape of one of this model.`,
    match.reshaped[0] === undefined
      ? 'It is of another kind of model; leave train.warmStart out.'
      : `${match.reshaped[0].name} is ${match.reshaped[0].saved} there and ${match.reshaped[0].wanted} here: set train.width and train.heads as they were.`,
  );
}

/** For the start's facts. */
export function warmStartFacts(start: WarmStart | undefined): Readonly<Record<string, unknown>> {
  if (start === undefined) return {};
  const { path, step, matched, reshaped, missing, unused } = start;
  return { warmStart: { path, step, matched: matched.length, reshaped, missing, unused } };
}
