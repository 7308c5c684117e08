/**
 * How well an endpoint does on held-out data, asked as its clients ask it. Against a source endpoint: whether it is
 * close enough to take its place (the accuracy gate of @gantry/conversion).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  accuracyFailures,
  type AccuracyReport,
  areTasks,
  type AskedModel,
  evaluateAskedAnswers,
  evaluateAskedRows,
  evaluateAskedText,
  EvaluationError,
} from '@gantry/conversion';
import { CliError } from '../cli-error.ts';

export interface EvaluateOptions {
  readonly endpoint: string;
  readonly against?: string;
  readonly data: string;
  readonly characters: number;
  readonly window: number;
  readonly places: number;
}

export interface Evaluation {
  readonly endpoint: string;
  readonly against: string | undefined;
  /** Tokens of text, rows of tensors, or tasks. */
  readonly tokens: number;
  /** Undefined of tasks: an answer is right or it is not. */
  readonly perplexity: number | undefined;
  /** Of text `meanKl` is over the 20 likeliest tokens and the rest as one: a lower bound of the whole vocabulary's. */
  readonly comparison: AccuracyReport | undefined;
  /** `accuracy` of rows with labels and of tasks. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What was read of the file. */
  readonly data: { readonly digest: string; readonly bytes: number };
  /** Why it may not take the source's place; empty when it may, or when there is no source. */
  readonly failures: readonly string[];
}

type Found = Pick<Evaluation, 'tokens' | 'perplexity' | 'comparison' | 'metrics'>;

export async function evaluateEndpoint(
  access: { readonly url: string; readonly key: string },
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { data, characters, endpoint, against } = options;
  const isRows = data.endsWith('.jsonl');
  const whole = await readFile(data, 'utf8').catch(() => '');
  const text = isRows ? whole : whole.slice(0, characters);
  if (text.trim() === '')
    throw new CliError('data_invalid', `${data} holds no text`, { hint: 'give a UTF-8 text file' });
  try {
    const found = await evaluate(access, options, text);
    const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
    const failures = found.comparison === undefined ? [] : accuracyFailures(found.comparison);
    return { endpoint, against, ...found, failures, data: { digest, bytes: Buffer.byteLength(text) } };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    const { code, message, hint } = error;
    throw new CliError(code, message, hint === undefined ? {} : { hint });
  }
}

async function evaluate(
  access: { readonly url: string; readonly key: string },
  { endpoint, against, data, window, places }: EvaluateOptions,
  text: string,
): Promise<Found> {
  const candidate = askedOf(access, endpoint);
  const source = against === undefined ? undefined : askedOf(access, against);
  if (!data.endsWith('.jsonl'))
    return { ...(await evaluateAskedText({ candidate, source, text, window, places })), metrics: {} };
  if (!areTasks(text)) {
    const { rows, ...measured } = await evaluateAskedRows({ candidate, source, text });
    return { tokens: rows, ...measured };
  }
  if (source !== undefined)
    throw new CliError('bad_request', 'answers to tasks are right or wrong, not near another’s', {
      hint: 'leave --against out',
    });
  const { rows, accuracy } = await evaluateAskedAnswers({ candidate, text });
  return { tokens: rows, perplexity: undefined, comparison: undefined, metrics: { accuracy } };
}

const askedOf = (
  { url, key }: { readonly url: string; readonly key: string },
  model: string,
): AskedModel => ({
  name: model,
  model,
  ask: async (path, body) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  },
});
