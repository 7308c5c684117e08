/**
 * How well an endpoint foretells held-out text, from the log probabilities that it reports for the prompt. Against a
 * source endpoint: whether it is close enough to take its place (the accuracy gate of @gantry/conversion).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { accuracyFailures, type AccuracyReport, type ScoredToken, TextTally } from '@gantry/conversion';
import { CliError } from '../cli-error.ts';
import { evaluateRows } from './evaluate-rows.ts';

export interface EvaluateOptions {
  readonly endpoint: string;
  readonly against?: string;
  readonly data: string;
  readonly characters: number;
  readonly window: number;
}

export interface Evaluation {
  readonly endpoint: string;
  readonly against: string | undefined;
  /** Tokens of text, or rows of tensors. */
  readonly tokens: number;
  readonly perplexity: number;
  /** `meanKl` over the 20 likeliest tokens and the rest as one: a lower bound of the whole vocabulary's. */
  readonly comparison: AccuracyReport | undefined;
  /** Of rows with labels. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What was read of the file. */
  readonly data: { readonly digest: string; readonly bytes: number };
  /** Why it may not take the source's place; empty when it may, or when there is no source. */
  readonly failures: readonly string[];
}

interface Scored {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly (number | null)[];
  readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
}

export async function evaluateEndpoint(
  access: { readonly url: string; readonly key: string },
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { data, characters } = options;
  const isRows = data.endsWith('.jsonl');
  const whole = await readFile(data, 'utf8').catch(() => '');
  const text = isRows ? whole : whole.slice(0, characters);
  if (text.trim() === '')
    throw new CliError('bad_data', `${data} holds no text`, { hint: 'give a UTF-8 text file' });
  const found = await (isRows
    ? evaluateRows(access, { ...options, text })
    : evaluateText(access, options, text));
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  return { ...found, data: { digest, bytes: Buffer.byteLength(text) } };
}

async function evaluateText(
  access: { readonly url: string; readonly key: string },
  { endpoint, against, data, window }: EvaluateOptions,
  text: string,
): Promise<Omit<Evaluation, 'data'>> {
  const windows = Array.from({ length: Math.ceil(text.length / window) }, (_, index) =>
    text.slice(index * window, (index + 1) * window),
  );
  const tally = new TextTally<string>();
  let tokens = 0;
  for (const piece of windows) {
    const mine = await score(access, endpoint, piece);
    const theirs = against === undefined ? undefined : await score(access, against, piece);
    if (theirs !== undefined && theirs.tokens.join('\0') !== mine.tokens.join('\0'))
      throw new CliError('bad_request', `${endpoint} and ${against} cut text into different tokens`, {
        hint: 'only models with one tokenizer can be compared token by token',
      });
    for (const at of mine.tokens.keys()) {
      const [ours, source] = [toScored(mine, at), theirs && toScored(theirs, at)];
      if (ours === undefined) continue;
      tokens += 1;
      tally.add(ours, source);
    }
  }
  if (tokens === 0) throw new CliError('bad_data', `${data} is too short to score`);
  const { measured } = tally;
  const { comparison } = measured;
  const failures = comparison === undefined ? [] : accuracyFailures(comparison);
  return { endpoint, against, ...measured, metrics: {}, failures };
}

function toScored({ token_logprobs, top_logprobs }: Scored, at: number): ScoredToken<string> | undefined {
  const logprob = token_logprobs[at];
  if (logprob === null || logprob === undefined) return undefined;
  return { logprob, top: new Map(Object.entries(top_logprobs[at] ?? {})) };
}

async function score(
  { url, key }: { readonly url: string; readonly key: string },
  model: string,
  prompt: string,
): Promise<Scored> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt, echo: true, logprobs: 20, max_tokens: 0, temperature: 0 }),
  });
  const body = (await response.json()) as {
    readonly error?: { readonly message: string };
    readonly choices?: readonly { readonly logprobs?: Scored }[];
  };
  const logprobs = body.choices?.[0]?.logprobs;
  if (logprobs === undefined)
    throw new CliError(
      'endpoint_failed',
      `${model} scored nothing: ${body.error?.message ?? response.status}`,
      {
        hint: 'it must report log probabilities of the prompt; a shorter --window fits a smaller context',
      },
    );
  return logprobs;
}
