/** `--html FILE`: a plan as pictures, for GPUs and for our own ranks alike. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { PipelineSpan } from '@gantry/training/parallel';
import { pipelineSvg } from '@gantry/training/parallel';
import { CliError } from '../cli-error.ts';
import { data, escapeHtml, page, section, tableOf } from '../html-page.ts';
import { type Dot, type PartedBar, partedBars, scatter } from './plan-charts.ts';

export interface PlanPicture {
  readonly title: string;
  readonly sentences: readonly string[];
  readonly heads: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Bytes of a device and seconds of a step, by part, of the listed layouts. */
  readonly memory: readonly PartedBar[];
  readonly time: readonly PartedBar[];
  /** Of a device. */
  readonly usableBytes: number;
  readonly dots: readonly Dot[];
  /** Of the best layout, where it has stages. */
  readonly pipeline:
    | { readonly spans: readonly (readonly PipelineSpan[])[]; readonly caption: string }
    | undefined;
  readonly bytes: (value: number) => string;
  readonly seconds: (value: number) => string;
  /** The numbers, for programs. */
  readonly json: unknown;
}

export async function writePlanPage(file: string, picture: PlanPicture): Promise<void> {
  try {
    await writeFile(file, planPicture(picture));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new CliError('bad_request', `${file} cannot be written: ${code}.`, {
      hint: 'Give a file in a folder that is there.',
    });
  }
  process.stderr.write(`  pictures in ${resolve(file)}\n`);
}

function planPicture(picture: PlanPicture): string {
  const { title, sentences, heads, rows, memory, time, usableBytes, dots, pipeline, bytes, seconds } =
    picture;
  const counted = (kind: Dot['kind']): number => dots.filter((dot) => dot.kind === kind).length;
  return page(title, [
    tableOf(heads, rows),
    ...sentences.map((sentence) => `<p class="note">${escapeHtml(sentence)}</p>`),
    section('Memory of a device, by part', partedBars(memory, bytes, usableBytes)),
    section('Time of a step, by what is waited for', partedBars(time, seconds)),
    section(
      `Layouts by memory (across) and time (up): ${counted('fits') + counted('best')} fit, ${counted('over')} do not`,
      scatter(dots, { bytes, seconds }, usableBytes),
    ),
    ...(pipeline === undefined
      ? []
      : [
          section(
            'The pipeline of the best layout',
            `<div class="pipeline">${pipelineSvg(pipeline.spans, pipeline.caption)}</div>`,
          ),
        ]),
    data(picture.json),
  ]);
}
