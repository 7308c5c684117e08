/**
 * How long two stages stand still under each schedule, beside the formula for stages of equal cost: (p − 1) / (v·m + p − 1),
 * and 1 − 1/p where one micro-batch is under way at a time. Two processes, so that each stage has a core; the head is
 * 2 % of its stage. What is above the formula is what the ranks wait for each other's messages and uneven passes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workerReportSchema } from '../../packages/contract/src/index.ts';
import type { BenchLine } from '../bench-line.ts';
import { median } from './median.ts';

const stages = 2;
const microBatches = 8;
const time = 128;
const train = {
  recipe: 'language-model',
  data: ['text.txt'],
  depth: 8,
  width: 256,
  heads: 4,
  sequenceLength: time,
  batchTokens: microBatches * time,
  vocabularySize: 270,
  validationFraction: 0,
  sampleEvery: 1000,
  steps: 4,
  // The first step warms up.
  profile: { fromStep: 2, steps: 3 },
};
const rounds = 3;
/** Above the formula, of a whole step. */
const allowance = 0.05;

const schedules = ['naive', 'gpipe', '1f1b', 'interleaved'] as const;

interface Bubble {
  readonly measured: number;
  readonly expected: number;
}

export async function pipelineBubble(): Promise<BenchLine[]> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-bench-pipeline-'));
  try {
    await writeFile(join(root, 'text.txt'), 'the cat saw seven mice, and the owl saw the cat\n'.repeat(2000));
    const seen = new Map(schedules.map((schedule) => [schedule, [] as Bubble[]]));
    for (let round = 0; round < rounds; round += 1)
      for (const [schedule, bubbles] of seen)
        bubbles.push(await bubbleOf(root, schedule, `${schedule}-${round}`));
    return [...seen].map(([schedule, bubbles]): BenchLine => {
      const ours = median(bubbles.map(({ measured }) => measured));
      const expected = bubbles[0]?.expected ?? Number.NaN;
      return {
        bench: 'training',
        case: `pipeline-bubble-${schedule}`,
        ours,
        peer: expected,
        peerName: `formula, ${stages} stages, ${microBatches} micro-batches`,
        better: 'less',
        bar: `ours - formula <= ${allowance}`,
        pass: ours - expected <= allowance,
        unit: 'of the step',
        rounds: bubbles.map(({ measured }) => measured),
      };
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function bubbleOf(root: string, schedule: (typeof schedules)[number], run: string): Promise<Bubble> {
  const directory = join(root, run);
  const rendezvous = await mkdtemp(join(root, 'rv-'));
  await mkdir(directory);
  const parallel = {
    pipeline: stages,
    microBatches,
    schedule,
    ...(schedule === 'interleaved' ? { virtualStages: 2 } : {}),
  };
  const spec = { name: run, workdir: root, train, parallel, checkpoint: { everySteps: 1000 } };
  await writeFile(join(directory, 'spec.json'), JSON.stringify(spec));
  const report = join(directory, 'report.jsonl');
  const ranks = Array.from({ length: stages }, (_, rank) =>
    spawn(process.execPath, [fileURLToPath(new URL('pipeline-process.ts', import.meta.url))], {
      env: {
        PATH: process.env['PATH'],
        RANK: String(rank),
        WORLD_SIZE: String(stages),
        GANTRY_RUN_DIR: directory,
        GANTRY_SPEC_FILE: join(directory, 'spec.json'),
        GANTRY_REPORT_FILE: report,
        GANTRY_RENDEZVOUS: rendezvous,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
  const codes = await Promise.all(ranks.map(async (rank) => (await once(rank, 'exit'))[0] as number | null));
  if (codes.some((code) => code !== 0))
    throw new Error(`ranks of ${schedule} ended with ${codes.join(', ')}`);
  for (const line of (await readFile(report, 'utf8')).trim().split('\n')) {
    const said = workerReportSchema.parse(JSON.parse(line));
    if (said.type !== 'metric') continue;
    const { pipelineBubble: measured, pipelineBubbleExpected: expected } = said.values;
    if (typeof measured === 'number' && typeof expected === 'number') return { measured, expected };
  }
  throw new Error(`the run of ${schedule} reports no bubble`);
}
