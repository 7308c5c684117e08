/** What the stages of a pipeline did and when: how much of it they stood still, and a picture. */
import type { PipelineAction, PipelineShape } from './pipeline-schedule.ts';

export interface PipelineSpan extends PipelineAction {
  readonly startMs: number;
  readonly endMs: number;
  /** Of it, waiting for another stage. */
  readonly waitedMs: number;
}

/**
 * Share of the time that a stage of equal cost stands still, of `stages` p, `microBatches` m and `chunks` v:
 * (p − 1) / (v · m + p − 1) for GPipe, 1F1B and interleaved (Narayanan et al. 2021, §2.2, there over the ideal time),
 * 1 − 1/p with one micro-batch at a time.
 */
export function expectedBubble({ schedule, stages, microBatches, chunks }: PipelineShape): number {
  return schedule === 'naive' ? 1 - 1 / stages : (stages - 1) / (microBatches * chunks + stages - 1);
}

/** The same of what was seen of one step: mean over the stages, from the first's first start to the last end. */
export function measuredBubble(stages: readonly (readonly PipelineSpan[])[]): number {
  const all = stages.flat();
  const from = Math.min(...all.map(({ startMs, waitedMs }) => startMs + waitedMs));
  const to = Math.max(...all.map(({ endMs }) => endMs));
  const busy = all.reduce((sum, { startMs, endMs, waitedMs }) => sum + endMs - startMs - waitedMs, 0);
  return 1 - busy / (stages.length * (to - from));
}

const [width, rowHeight, margin] = [1200, 36, 60] as const;

/** By pass, and darker with every chunk. */
const colours = {
  forward: ['#4a7fc1', '#2f5a94', '#1d3c67'],
  backward: ['#55a15b', '#38753d', '#215026'],
} as const;

/** A row for each stage: forwards blue, backwards green, waiting inside them pale; the number is the micro-batch. */
export function pipelineSvg(stages: readonly (readonly PipelineSpan[])[], caption: string): string {
  const all = stages.flat();
  const from = Math.min(...all.map(({ startMs }) => startMs));
  const to = Math.max(...all.map(({ endMs }) => endMs));
  const x = (ms: number): number => margin + ((ms - from) / (to - from)) * (width - margin - 10);
  const rect = (startMs: number, endMs: number, row: number, colour: string): string =>
    `<rect x="${x(startMs).toFixed(1)}" y="${row}" width="${Math.max(0.5, x(endMs) - x(startMs)).toFixed(1)}" height="${rowHeight - 8}" fill="${colour}"/>`;
  const rows = stages.flatMap((spans, stage) => {
    const row = 30 + stage * rowHeight;
    return [
      `<text x="4" y="${row + 18}">stage ${stage}</text>`,
      ...spans.flatMap(({ pass, microBatch, chunk, startMs, endMs, waitedMs }) => [
        rect(startMs, startMs + waitedMs, row, pass === 'forward' ? '#dbe7f5' : '#dcefdc'),
        rect(startMs + waitedMs, endMs, row, colours[pass][Math.min(chunk, 2)] as string),
        `<text x="${(x(startMs + waitedMs) + 2).toFixed(1)}" y="${row + 18}" fill="#ffffff">${microBatch}</text>`,
      ]),
    ];
  });
  const height = 40 + stages.length * rowHeight;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<text x="4" y="16" font-size="13">${caption}</text>`,
    ...rows,
    '</svg>\n',
  ].join('\n');
}
