/** Listens to one sampled request and its answer, within a limit, and tells what of it may be kept. */
import type { ExchangeInput } from '../relay/exchange-input.ts';
import type { InferenceRequest } from '../requests/inference-request.ts';
import { redact, redactText } from './redact.ts';
import { parseJson } from '../http/parse-json.ts';

export interface PayloadPolicy {
  /** Share of the requests, 0 to 1. */
  readonly sample: number;
  /** Names of fields whose values nobody sees, at any depth. */
  readonly redact: readonly string[];
}

/** One side as it is kept: its JSON, or the text of a stream; only its size where it is binary or too large. */
export interface KeptBody {
  readonly bytes: number;
  readonly json?: unknown;
  readonly text?: string;
}

const maxKeptBytes = 64 * 1024;

export class PayloadTap {
  readonly #fields: ReadonlySet<string>;
  readonly #request: InferenceRequest;
  readonly #chunks: Buffer[] = [];
  #isStream = false;
  #bytes = 0;

  constructor(policy: PayloadPolicy, request: InferenceRequest) {
    this.#fields = new Set(policy.redact.map((name) => name.toLowerCase()));
    this.#request = request;
  }

  hear(chunk: Buffer, isStream: boolean): void {
    this.#isStream = isStream;
    this.#bytes += chunk.length;
    if (this.#bytes <= maxKeptBytes) this.#chunks.push(chunk);
  }

  request(): KeptBody {
    const { bytes } = this.#request;
    return bytes.length > maxKeptBytes || this.#request.oip?.isBinary === true
      ? { bytes: bytes.length }
      : this.#kept(bytes, bytes.length);
  }

  answer(): KeptBody {
    if (this.#bytes > maxKeptBytes) return { bytes: this.#bytes };
    const whole = Buffer.concat(this.#chunks);
    if (!this.#isStream) return this.#kept(whole, whole.length);
    return { bytes: whole.length, text: redactText(textOfStream(whole.toString('utf8'))) };
  }

  #kept(body: Buffer, bytes: number): KeptBody {
    try {
      return { bytes, json: redact(parseJson(body), this.#fields) };
    } catch {
      return { bytes };
    }
  }
}

/** A tap for a request that its route samples. */
export function tapFor({ route, request }: ExchangeInput, random: () => number): PayloadTap | undefined {
  const { payloads } = route.route;
  return payloads !== undefined && random() < payloads.sample ? new PayloadTap(payloads, request) : undefined;
}

/** What the frames say, joined. */
function textOfStream(frames: string): string {
  let text = '';
  for (const line of frames.split('\n')) {
    if (!line.startsWith('data:')) continue;
    try {
      const {
        choices = [],
        type,
        delta,
      } = JSON.parse(line.slice(5)) as {
        readonly choices?: readonly {
          readonly text?: string;
          readonly delta?: { readonly content?: string };
        }[];
        readonly type?: string;
        readonly delta?: unknown;
      };
      for (const choice of choices) text += choice.text ?? choice.delta?.content ?? '';
      if (type === 'response.output_text.delta' && typeof delta === 'string') text += delta;
    } catch {
      // `[DONE]`, or a frame that was cut off.
    }
  }
  return text;
}
