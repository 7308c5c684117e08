/** A place with text and a job of two ranks, each a process of its own as the platform starts it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RankProcess {
  readonly process: ChildProcess;
  readonly exit: Promise<{ code: number | null; signal: string | null }>;
  /** What it wrote to stderr so far. */
  said(): string;
}

export interface StartOptions {
  /** Instead of a folder of sockets. */
  readonly rendezvous?: { readonly place: string; readonly token: string };
  /** What each rank's command begins with. */
  readonly prefixOf?: (rank: number) => readonly string[];
}

export interface RankScene extends AsyncDisposable {
  readonly root: string;
  attempt(run: string, options?: StartOptions): Promise<[RankProcess, RankProcess]>;
  /** The same job on another number of ranks. */
  attemptOn(run: string, ranks: number): Promise<readonly RankProcess[]>;
}

const mainFile = join(import.meta.dirname, '..', 'main.ts');

/** `job` goes over the sections of a job of 120 steps. */
export async function openRankScene(
  job: {
    readonly train?: object;
    readonly checkpoint?: object;
  } = {},
): Promise<RankScene> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-worker-'));
  await mkdir(join(root, 'text'));
  await mkdir(join(root, 'home'));
  for (let file = 0; file < 6; file += 1) {
    const lines = Array.from(
      { length: 80 },
      (_, line) => `every ${(line * 7 + file) % 11} steps the loss fell by ${line % 5}`,
    );
    await writeFile(join(root, 'text', `${file}.txt`), lines.join('\n'));
  }
  await writeFile(
    join(root, 'spec.json'),
    JSON.stringify({
      workdir: root,
      train: {
        recipe: 'language-model',
        data: ['text/*.txt'],
        depth: 1,
        width: 32,
        heads: 2,
        hidden: 64,
        steps: 120,
        sequenceLength: 32,
        batchTokens: 256,
        vocabularySize: 280,
        ...job.train,
      },
      checkpoint: { everySteps: 5, keep: 2, ...job.checkpoint },
    }),
  );
  const start = (
    run: string,
    rank: number,
    rendezvous: { readonly place: string; readonly token?: string },
    prefix: readonly string[],
    ranks = 2,
  ): RankProcess => {
    const [file, ...words] = [...prefix, process.execPath, mainFile, 'train'];
    const child = spawn(file, words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: join(root, 'home'),
        RANK: String(rank),
        WORLD_SIZE: String(ranks),
        GANTRY_RUN_DIR: run,
        GANTRY_SPEC_FILE: join(root, 'spec.json'),
        GANTRY_REPORT_FILE: join(run, 'report.jsonl'),
        GANTRY_RENDEZVOUS: rendezvous.place,
        GANTRY_RENDEZVOUS_TOKEN: rendezvous.token,
      },
    });
    const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      said += bytes.toString('utf8');
    });
    return { process: child, exit, said: () => said };
  };
  return {
    root,
    attempt: async (run, { rendezvous, prefixOf = () => [] } = {}) => {
      await mkdir(run, { recursive: true });
      const place = rendezvous ?? { place: await mkdtemp(join(root, 'rv-')) };
      return [start(run, 0, place, prefixOf(0)), start(run, 1, place, prefixOf(1))];
    },
    attemptOn: async (run, ranks) => {
      await mkdir(run, { recursive: true });
      const place = { place: await mkdtemp(join(root, 'rv-')) };
      return Array.from({ length: ranks }, (_, rank) => start(run, rank, place, [], ranks));
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

export const reportOf = (run: string): Promise<string> =>
  readFile(join(run, 'report.jsonl'), 'utf8').catch(() => '');

export async function untilReported(run: string, text: string): Promise<void> {
  while (!(await reportOf(run)).includes(text)) await new Promise((resolve) => setTimeout(resolve, 5));
}
