/** The worker kind `evaluate`: versions of a model and held-out data in, what was measured out, as a report. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { EvaluateSpec } from '@gantry/contract';
import type { AccuracyReport } from '@gantry/conversion';
import { type EvaluatedModel, evaluateTensorRows, evaluateText } from '@gantry/engines/evaluation';
import { join } from 'node:path';
import { type AskedMeasuring, measureAsked } from './measure-asked.ts';
import { findModel } from './model-source.ts';
import { WorkError } from './work-error.ts';
import { report } from './work-reports.ts';
import { type Environment, finishWork, readWorkSpec } from './work-spec.ts';

interface EvaluationSpec {
  readonly evaluate: EvaluateSpec;
  /** Folders of registered versions, by `name@3`. */
  readonly models: Readonly<Record<string, string>>;
  /** Endpoints that answer for a version, by `name@3`. */
  readonly asked?: AskedMeasuring['asked'];
}

export function runEvaluation(env: Environment): Promise<number> {
  return finishWork(env, async () => {
    const { evaluate, models, asked = {} } = await readWorkSpec<EvaluationSpec>(env);
    const { model, against, data, characters } = evaluate;
    const whole = await readFile(data, 'utf8').catch(() => '');
    const isRows = data.endsWith('.jsonl');
    const text = isRows ? whole : whole.slice(0, characters);
    if (text.trim() === '') throw new WorkError('data_missing', `${data} holds no text`, 'name a UTF-8 file');
    const folders = { candidate: models[model] ?? '', source: against && models[against] };
    const threads = Math.max(1, Math.min(Number(env['OMP_NUM_THREADS'] ?? 1), availableParallelism()));
    const found =
      evaluate.through === undefined
        ? await (isRows ? measureRows : measureText)({ ...folders, text, threads, evaluate, env })
        : await telling(env, (onProgress) =>
            measureAsked({
              evaluate,
              asked,
              text,
              isRows,
              threads,
              env,
              onProgress,
              openSource: () => sourceOf(folders.source ?? '', isRows),
            }),
          );
    const comparison = found.comparison && toJson(found.comparison);
    await report(env, {
      type: 'evaluation',
      ...(comparison === undefined ? {} : { comparison }),
      metrics: {
        ...found.metrics,
        ...(found.perplexity === undefined ? {} : { perplexity: finite(found.perplexity) }),
      },
      data: {
        digest: `sha256:${createHash('sha256').update(text).digest('hex')}`,
        bytes: Buffer.byteLength(text),
      },
    });
    process.stdout.write(`${JSON.stringify({ model, against, ...found })}\n`);
  });
}

interface Measuring {
  readonly candidate: string;
  readonly source: string | undefined;
  readonly text: string;
  readonly threads: number;
  readonly evaluate: EvaluateSpec;
  readonly env: Environment;
}

interface Found {
  readonly perplexity: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly comparison: AccuracyReport | undefined;
}

async function measureText({ candidate, source, text, threads, evaluate, env }: Measuring): Promise<Found> {
  const mine = await llmOf(candidate);
  const theirs = source === undefined ? undefined : await llmOf(source);
  const { window } = evaluate;
  const against = theirs === undefined ? {} : { source: theirs };
  const found = await telling(env, (onProgress) =>
    evaluateText({ candidate: mine, ...against, text, window, threads, onProgress }),
  );
  return { ...found, metrics: {} };
}

/** Work that reports how far it is. */
async function telling<Found>(
  env: Environment,
  work: (onProgress: (done: number, all: number) => void) => Promise<Found>,
): Promise<Found> {
  const said: Promise<void>[] = [];
  const found = await work((step, totalSteps) =>
    said.push(report(env, { type: 'progress', step, totalSteps })),
  );
  await Promise.all(said);
  return found;
}

async function measureRows({ candidate, source, text, threads }: Measuring): Promise<Found> {
  const mine = await onnxOf(candidate);
  const theirs = source === undefined ? undefined : await onnxOf(source);
  return evaluateTensorRows({
    candidate: mine,
    ...(theirs === undefined ? {} : { source: theirs }),
    text,
    threads,
  });
}

const sourceOf = async (path: string, isRows: boolean): ReturnType<AskedMeasuring['openSource']> =>
  isRows ? { modelPath: await onnxOf(path), decoder: 'tensor' } : llmOf(path);

/** llama.cpp where there is a GGUF, as endpoints choose; else our own decoder for safetensors; else ONNX Runtime. */
async function llmOf(path: string): Promise<EvaluatedModel> {
  const { gguf, safetensors, onnx } = (await findModel(path)).places;
  if (gguf !== undefined) return { modelPath: gguf, decoder: 'llama.cpp' };
  if (safetensors !== undefined)
    return { modelPath: join(safetensors, 'model.safetensors'), decoder: 'paged' };
  if (onnx !== undefined) return { modelPath: onnx, decoder: 'onnx' };
  throw new WorkError(
    'not_possible',
    `${path} is no language model`,
    'rows for a tensor model lie in a .jsonl',
  );
}

async function onnxOf(path: string): Promise<string> {
  const { onnx } = (await findModel(path)).places;
  if (onnx !== undefined) return onnx;
  throw new WorkError('not_possible', `${path} holds no ONNX file`, 'text for a language model is no .jsonl');
}

/** JSON has no infinity. */
const finite = (value: number): number => Math.min(value, Number.MAX_VALUE);

const toJson = (report: AccuracyReport): AccuracyReport => ({
  ...report,
  sourcePerplexity: finite(report.sourcePerplexity),
  candidatePerplexity: finite(report.candidatePerplexity),
});
