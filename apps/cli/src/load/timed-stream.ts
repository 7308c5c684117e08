/** One streamed completion with the time of every piece, as the reader at the far end of the wire sees it. */
import type { CliError } from '../cli-error.ts';
import { type CompletionFrame, completionFrames } from '../completion-frames.ts';
import { endpointRefused, sentenceOf } from '../endpoint-refused.ts';

export interface StreamTarget {
  readonly url: string;
  readonly key: string;
  readonly model: string;
}

export interface TimedAnswer {
  /** Undefined: it was answered. */
  readonly failure: string | undefined;
  /** Of a failure that every request like it would meet: no such endpoint, or no right to it. */
  readonly refusal?: CliError;
  readonly ttftMs: number | undefined;
  readonly endMs: number;
  /** Between one piece and the next. */
  readonly gapsMs: readonly number[];
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly answerTokens: number;
}

const none = { ttftMs: undefined, gapsMs: [], promptTokens: 0, cachedTokens: 0, answerTokens: 0 };

export async function timedStream(
  { url, key, model }: StreamTarget,
  prompt: string,
  maxTokens: number,
  now: () => number,
  /** Rejects when it aborts: what was cut off by us is no answer. */
  signal: AbortSignal | null = null,
): Promise<TimedAnswer> {
  const startedMs = now();
  const failed = (failure: string): TimedAnswer => ({ ...none, failure, endMs: now() - startedMs });
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      signal,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        prompt,
        max_tokens: maxTokens,
        stream: true,
        stream_options: { include_usage: true },
        ignore_eos: true,
        temperature: 0,
      }),
    });
    if (!response.ok || response.body === null) {
      const text = await response.text();
      return { ...failed(reasonOf(response.status, text)), ...refusalOf(response.status, text) };
    }
    return await read(response.body, startedMs, now);
  } catch (error) {
    signal?.throwIfAborted();
    return failed(connectionReason(error));
  }
}

/** What `fetch` failed of, which it only says as the cause. */
function connectionReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = (error.cause ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? `no connection (${code})` : error.message;
}

/** Few words, so that failures of a kind are counted together. */
function reasonOf(status: number, text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { readonly code?: unknown; readonly type?: unknown } };
    const word = error?.code ?? error?.type;
    if (typeof word === 'string') return `HTTP ${status} ${word}`;
  } catch {
    // no JSON: a proxy's page
  }
  return `HTTP ${status}`;
}

function refusalOf(status: number, text: string): Pick<TimedAnswer, 'refusal'> {
  if (status !== 401 && status !== 403 && status !== 404) return {};
  return { refusal: endpointRefused(`the endpoint answered ${status}: ${sentenceOf(text)}`, status) };
}

async function read(
  body: AsyncIterable<Uint8Array>,
  startedMs: number,
  now: () => number,
): Promise<TimedAnswer> {
  const gapsMs: number[] = [];
  let ttftMs: number | undefined;
  let lastMs = startedMs;
  let usage: CompletionFrame['usage'];
  let failure: string | undefined = 'the stream ended early';
  for await (const frame of completionFrames(body)) {
    const atMs = now();
    if (frame === 'done') {
      failure = undefined;
      continue;
    }
    if (frame.error !== undefined) failure = frame.error.message;
    usage = frame.usage ?? usage;
    if ((frame.choices?.[0]?.text ?? '') === '') continue;
    if (ttftMs === undefined) ttftMs = atMs - startedMs;
    else gapsMs.push(atMs - lastMs);
    lastMs = atMs;
  }
  return {
    failure,
    ttftMs,
    endMs: now() - startedMs,
    gapsMs,
    promptTokens: usage?.prompt_tokens ?? 0,
    cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
    answerTokens: usage?.completion_tokens ?? 0,
  };
}
