/**
 * `profile/pipeline.svg` from the traces of one data- and tensor-rank of each stage, and how long the stages stood
 * still: the last recorded step is drawn, the bubble is the mean over all of them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { measuredBubble, pipelineSvg, type PipelineSpan } from '@gantry/training/parallel';
import { writeAside } from '../data/write-aside.ts';

/** Of a trace that this runtime wrote, what is read here; times in microseconds. */
interface Trace {
  readonly traceEvents: readonly {
    readonly ph: string;
    readonly cat?: string;
    readonly name: string;
    readonly ts?: number;
    readonly dur?: number;
  }[];
}

export function tracePath(runDirectory: string, rank: number): string {
  return join(runDirectory, 'profile', `rank-${String(rank).padStart(5, '0')}.trace.json`);
}

/** `ranks` has one of each stage, in their order. Answers the bubble; undefined when no whole step was recorded. */
export async function drawPipeline(
  runDirectory: string,
  ranks: readonly number[],
  caption: string,
): Promise<number | undefined> {
  const stages = await Promise.all(ranks.map((rank) => readSteps(tracePath(runDirectory, rank))));
  const count = Math.min(...stages.map((steps) => steps.length));
  if (count === 0) return undefined;
  const steps = Array.from({ length: count }, (_, step) => stages.map((own) => own[step] as PipelineSpan[]));
  const bubble = steps.reduce((sum, step) => sum + measuredBubble(step), 0) / count;
  const percent = (100 * bubble).toFixed(1);
  const svg = pipelineSvg(steps.at(-1) as PipelineSpan[][], `${caption}; standing still ${percent} %`);
  await writeAside(join(runDirectory, 'profile', 'pipeline.svg'), svg);
  return bubble;
}

/** The passes of each recorded step; a step begins with the forward pass of its first micro-batch. */
async function readSteps(path: string): Promise<PipelineSpan[][]> {
  const { traceEvents } = JSON.parse(await readFile(path, 'utf8')) as Trace;
  const spans = traceEvents.flatMap(({ ph, cat, name, ts, dur }) =>
    ph === 'X' && ts !== undefined && dur !== undefined
      ? [{ cat, name, startMs: ts / 1000, endMs: (ts + dur) / 1000 }]
      : [],
  );
  const waits = spans.filter(({ cat }) => cat === 'communicate');
  const steps: PipelineSpan[][] = [];
  const passes = spans
    .filter(({ cat }) => cat === 'compute')
    .sort((one, other) => one.startMs - other.startMs);
  for (const { name, startMs, endMs } of passes) {
    const [, pass, number, chunk = '0'] = /^(forward|backward) (\d+)(?: chunk (\d+))?$/.exec(name) ?? [];
    if (pass === undefined) continue;
    if (pass === 'forward' && Number(number) === 0 && chunk === '0') steps.push([]);
    const waitedMs = waits
      .filter((wait) => wait.startMs >= startMs && wait.endMs <= endMs)
      .reduce((sum, wait) => sum + wait.endMs - wait.startMs, 0);
    const microBatch = Number(number);
    steps.at(-1)?.push({
      pass: pass as PipelineSpan['pass'],
      microBatch,
      chunk: Number(chunk),
      startMs,
      endMs,
      waitedMs,
    });
  }
  return steps;
}
