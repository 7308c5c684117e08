/**
 * Checkpoints of one run, a folder each: written aside, fsynced, renamed. The newest complete one is what
 * training resumes from; damaged ones are passed over and named, never read half.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openManifest,
  sealManifest,
  sha256,
  type CheckpointManifest,
  type CheckpointState,
} from './checkpoint-manifest.ts';

/** Flat buffers of equal layout; all of them together are what a step needs and changes. */
export interface TrainingBuffers {
  readonly parameters: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
}

export interface SavedCheckpoint {
  readonly path: string;
  readonly step: number;
  readonly bytes: number;
  readonly digest: string;
}

export interface FoundCheckpoint extends SavedCheckpoint {
  readonly manifest: CheckpointManifest;
}

export interface DamagedCheckpoint {
  readonly path: string;
  readonly reason: string;
}

const bufferFiles = {
  'parameters.f32': 'parameters',
  'adam-first.f32': 'first',
  'adam-second.f32': 'second',
} as const satisfies Record<string, keyof TrainingBuffers>;
const bufferNames = Object.keys(bufferFiles) as (keyof typeof bufferFiles)[];
const folderPattern = /^step-(\d{8,})$/;

/** The part of the disk a save needs; a test makes it full. */
export type WriteDurably = (path: string, bytes: Uint8Array) => Promise<void>;

export const writeDurably: WriteDurably = async (path, bytes) => {
  await using file = await open(path, 'w');
  for (let written = 0; written < bytes.byteLength;) {
    written += (await file.write(bytes, written)).bytesWritten;
  }
  await file.datasync();
};

export async function saveCheckpoint(
  directory: string,
  state: CheckpointState,
  buffers: TrainingBuffers,
  write: WriteDurably = writeDurably,
): Promise<SavedCheckpoint> {
  const path = join(directory, `step-${String(state.step).padStart(8, '0')}`);
  const aside = `${path}.part`;
  await rm(aside, { recursive: true, force: true });
  try {
    await mkdir(aside, { recursive: true });
    const pending = bufferNames.map((name) => write(join(aside, name), bytesOf(buffers[bufferFiles[name]])));
    // Checksums are computed here while the disk writes; nothing is removed under a write that still runs.
    const files = bufferNames.map((name) => {
      const bytes = bytesOf(buffers[bufferFiles[name]]);
      return { path: name, bytes: bytes.byteLength, digest: sha256(bytes) };
    });
    for (const outcome of await Promise.allSettled(pending)) {
      if (outcome.status === 'rejected') throw outcome.reason;
    }
    const { text, digest } = sealManifest({ format: 'gantry-checkpoint/1', ...state, files });
    await write(join(aside, 'manifest.json'), new TextEncoder().encode(text));
    await syncDirectory(aside);
    // Only a damaged folder can be in the way: complete ones are resumed from, and steps go up.
    await rm(path, { recursive: true, force: true });
    await rename(aside, path);
    await syncDirectory(directory);
    return { path, step: state.step, bytes: files.reduce((sum, file) => sum + file.bytes, 0), digest };
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}

/** Steps of all folders that look like checkpoints, newest first. */
async function listSteps(directory: string): Promise<{ step: number; path: string }[]> {
  const names = await readdir(directory).catch(() => []);
  return names
    .flatMap((name) => {
      const match = folderPattern.exec(name);
      return match === null ? [] : [{ step: Number(match[1]), path: join(directory, name) }];
    })
    .sort((one, other) => other.step - one.step);
}

/** Reads the checkpoint at `path` into `buffers`, verified; throws a sentence when anything disagrees. */
export async function readCheckpoint(path: string, buffers: TrainingBuffers): Promise<FoundCheckpoint> {
  const text = await readFile(join(path, 'manifest.json'), 'utf8').catch(() => {
    throw new Error('it has no manifest');
  });
  const { manifest, digest } = openManifest(text);
  const contents = new Map<keyof typeof bufferFiles, Uint8Array>();
  for (const name of bufferNames) {
    const described = manifest.files.find((file) => file.path === name);
    const bytes = await readFile(join(path, name)).catch(() => undefined);
    if (described === undefined || bytes === undefined) throw new Error(`${name} is missing`);
    if (bytes.byteLength !== described.bytes) {
      throw new Error(`${name} has ${bytes.byteLength} bytes instead of ${described.bytes}`);
    }
    if (sha256(bytes) !== described.digest) throw new Error(`${name} does not agree with its checksum`);
    if (bytes.byteLength !== buffers[bufferFiles[name]].byteLength) {
      throw new Error(`${name} belongs to a model of another size`);
    }
    contents.set(name, bytes);
  }
  for (const [name, bytes] of contents) bytesOf(buffers[bufferFiles[name]]).set(bytes);
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  return { path, step: manifest.step, bytes, digest, manifest };
}

/** The newest checkpoint that is whole, read into `buffers`, and those that were passed over. */
export async function readNewest(
  directory: string,
  buffers: TrainingBuffers,
): Promise<{ found: FoundCheckpoint | undefined; damaged: readonly DamagedCheckpoint[] }> {
  const damaged: DamagedCheckpoint[] = [];
  for (const { path } of await listSteps(directory)) {
    try {
      return { found: await readCheckpoint(path, buffers), damaged };
    } catch (error) {
      damaged.push({ path, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { found: undefined, damaged };
}

/** Keeps the newest `keep` folders, and clears what a killed save left aside. */
export async function pruneCheckpoints(directory: string, keep: number): Promise<void> {
  const steps = await listSteps(directory);
  const parts = (await readdir(directory)).filter((name) => name.endsWith('.part'));
  const old = [...steps.slice(keep).map(({ path }) => path), ...parts.map((name) => join(directory, name))];
  for (const path of old) await rm(path, { recursive: true, force: true });
}

async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
