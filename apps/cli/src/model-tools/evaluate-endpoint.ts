/**
 * How well an endpoint foretells held-out text, from the log probabilities that it reports for the prompt. Against a
 * source endpoint: whether it is close enough to take its place (the accuracy gate of @gantry/conversion).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { accuracyFailures, type AccuracyReport } from '@gantry/conversion';
import { CliError } from '../cli-error.ts';
import { coarseKl } from './coarse-kl.ts';
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
  const total = { tokens: 0, loss: 0, sourceLoss: 0, agreements: 0, kl: 0 };
  for (const piece of windows) {
    const mine = await score(access, endpoint, piece);
    const theirs = against === undefined ? undefined : await score(access, against, piece);
    if (theirs !== undefined && theirs.tokens.join('\0') !== mine.tokens.join('\0'))
      throw new CliError('bad_request', `${endpoint} and ${against} cut text into different tokens`, {
        hint: 'only models with one tokenizer can be compared token by token',
      });
    for (const [at, logprob] of mine.token_logprobs.entries()) {
      if (logprob === null) continue;
      total.tokens += 1;
      total.loss -= logprob;
      if (theirs === undefined) continue;
      total.sourceLoss -= theirs.token_logprobs[at] ?? 0;
      const [ours, source] = [mine.top_logprobs[at] ?? {}, theirs.top_logprobs[at] ?? {}];
      if (likeliest(ours) === likeliest(source)) total.agreements += 1;
      total.kl += coarseKl(source, ours);
    }
  }
  if (total.tokens === 0) throw new CliError('bad_data', `${data} is too short to score`);
  const perplexity = Math.exp(total.loss / total.tokens);
  const comparison =
    against === undefined
      ? undefined
      : {
          positions: total.tokens,
          meanKl: total.kl / total.tokens,
          topAgreement: total.agreements / total.tokens,
          sourcePerplexity: Math.exp(total.sourceLoss / total.tokens),
          candidatePerplexity: perplexity,
        };
  return {
    endpoint,
    against,
    tokens: total.tokens,
    perplexity,
    metrics: {},
    comparison,
    failures: comparison === undefined ? [] : accuracyFailures(comparison),
  };
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

const likeliest = (top: Readonly<Record<string, number>>): string | undefined =>
  Object.entries(top).reduce<readonly [string, number] | undefined>(
    (best, one) => (best === undefined || one[1] > best[1] ? one : best),
    undefined,
  )?.[0];
