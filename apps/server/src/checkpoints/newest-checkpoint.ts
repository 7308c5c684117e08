/** Looks through a run's folder for the newest whole checkpoint, whoever wrote it; bounded, for it is a user's folder. */
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FoundCheckpoint, newestOf, recogniseCheckpoints } from './recognise-checkpoint.ts';

const maxDepth = 5;
const maxFolders = 2_000;
const maxLatestBytes = 1_024;
/** Written by the platform or by trackers; nothing to resume from. */
const passedOver = new Set(['attempts', 'data', 'export', 'mlruns', 'tensorboard', 'node_modules', '.git']);

export async function newestCheckpoint(runDir: string): Promise<FoundCheckpoint | undefined> {
  const found: FoundCheckpoint[] = [];
  const open = [{ path: runDir, depth: 0 }];
  for (let looked = 0; looked < maxFolders; looked += 1) {
    const folder = open.shift();
    if (folder === undefined) break;
    const entries = await readdir(folder.path, { withFileTypes: true }).catch(() => []);
    // What a link leads to is found where it lies, or is none of the run's.
    const names = entries.filter((entry) => !entry.isSymbolicLink()).map(({ name }) => name);
    const times = await Promise.all(
      names
        .filter((name) => name.endsWith('.ckpt'))
        .map(async (name) => [name, await modifiedMs(join(folder.path, name))] as const),
    );
    const here = recogniseCheckpoints({
      path: folder.path,
      modifiedMs: await modifiedMs(folder.path),
      names,
      fileModifiedMs: new Map(times),
      latest: names.includes('latest') ? await smallText(join(folder.path, 'latest')) : undefined,
    });
    found.push(...here);
    // Inside a checkpoint lies no other; links are not followed.
    if (here.some(({ format }) => format !== 'lightning') || folder.depth === maxDepth) continue;
    for (const entry of entries)
      if (entry.isDirectory() && !(folder.depth === 0 && passedOver.has(entry.name)))
        open.push({ path: join(folder.path, entry.name), depth: folder.depth + 1 });
  }
  return newestOf(found);
}

async function modifiedMs(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}

async function smallText(path: string): Promise<string | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined || !info.isFile() || info.size > maxLatestBytes) return undefined;
  return readFile(path, 'utf8').catch(() => undefined);
}
