/**
 * Cuts a stream of server-sent events at frame boundaries, counts the frames and takes the usage out.
 * Only whole frames leave: when the model server dies mid-frame, an error frame can follow cleanly.
 * Chunks that are whole frames pass through uncopied.
 */
import { toUsage, type Usage } from '../metering/usage.ts';

export interface SseFramesOptions {
  /** The client did not ask for the usage frame; the gateway did. */
  readonly stripUsage: boolean;
  readonly maxFrameBytes?: number;
}

const empty = Buffer.alloc(0);
const lf = 0x0a;
const cr = 0x0d;
const usageKey = Buffer.from('"usage"');
const nullUsage = /"usage"\s*:\s*null/;
const done = Buffer.from('[DONE]');
/** Room for the end's frame with either line end: `data: [DONE]`. */
const doneBytes = 32;
const reason = /"finish_reason"\s*:\s*"/;

export class SseFrames {
  /** Frames that carried data, without usage-only frames and `[DONE]`: near enough one a token. */
  tokenFrames = 0;
  usage: Usage | undefined;
  /** The data of the frame that carries the whole answer, where the dialect has one. */
  whole: Buffer | undefined;
  /** The stream said it was complete, by `[DONE]`. */
  isDone = false;
  /** A single frame grew beyond the limit; the stream cannot be trusted any more. */
  isOverflown = false;
  #rest: Buffer = empty;
  /** The last frame that carried data. */
  #last: Buffer = empty;
  /** A frame of usage alone has come: behind it there is no more of the answer. */
  #isCounted = false;
  readonly #stripUsage: boolean;
  readonly #maxFrameBytes: number;

  constructor(options: SseFramesOptions) {
    this.#stripUsage = options.stripUsage;
    this.#maxFrameBytes = options.maxFrameBytes ?? 4 * 1024 * 1024;
  }

  /**
   * Its last frame is an answer's last: it says why the model stopped, or how much was used. Some servers (transformers'
   * own) leave `[DONE]` out; one that was cut off says neither.
   */
  get isAnswerWhole(): boolean {
    return this.#rest.length === 0 && (this.#isCounted || reason.test(this.#last.toString('utf8')));
  }

  /** The bytes that may go on to the client now: whole frames only, possibly none. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    let kept: Buffer[] | undefined;
    let keptFrom = 0;
    for (;;) {
      const end = endOfFrame(bytes, start);
      if (end < 0) break;
      if (this.#look(bytes, start, end)) {
        (kept ??= []).push(bytes.subarray(keptFrom, start));
        keptFrom = end;
      }
      start = end;
    }
    this.#rest = start === bytes.length ? empty : bytes.subarray(start);
    if (this.#rest.length > this.#maxFrameBytes) this.isOverflown = true;
    if (kept === undefined) return start === bytes.length ? bytes : bytes.subarray(0, start);
    kept.push(bytes.subarray(keptFrom, start));
    return Buffer.concat(kept);
  }

  /** Notes what a frame says; true when it must not reach the client. */
  #look(bytes: Buffer, start: number, end: number): boolean {
    const frame = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    if (frame.indexOf(usageKey) >= 0) {
      const text = frame.toString('utf8');
      if (!nullUsage.test(text)) {
        this.#last = frame;
        return this.#lookForUsage(text);
      }
    } else if (frame.length < doneBytes && isDoneFrame(frame)) {
      this.isDone = true;
      return false;
    }
    // A comment (": ping") is no token.
    if (frame[0] === 0x3a) return false;
    this.#last = frame;
    this.tokenFrames++;
    return false;
  }

  #lookForUsage(text: string): boolean {
    const json = dataOf(text);
    try {
      const body = JSON.parse(json) as {
        usage?: unknown;
        choices?: unknown;
        response?: { usage?: unknown };
      };
      if (body.response !== undefined) this.whole = Buffer.from(json);
      const usage = toUsage(body.usage ?? body.response?.usage);
      if (usage !== undefined) this.usage = usage;
      const isUsageOnly =
        usage !== undefined && Array.isArray(body.choices) && body.choices.every(saysNothing);
      if (!isUsageOnly) this.tokenFrames++;
      this.#isCounted ||= isUsageOnly;
      return isUsageOnly && this.#stripUsage;
    } catch {
      this.tokenFrames++;
      return false;
    }
  }
}

/** LiteLLM's frame of usage has choices that hold their index alone, or an empty `delta` too. */
function saysNothing(choice: unknown): boolean {
  return Object.entries(choice ?? {}).every(
    ([name, value]) =>
      name === 'index' || value === null || (name === 'delta' && Object.keys(value as object).length === 0),
  );
}

/** `data:[DONE]`, with a space or without. */
function isDoneFrame(frame: Buffer): boolean {
  const at = frame.indexOf(done);
  return (at === 5 || at === 6) && frame.toString('latin1', 0, 5) === 'data:';
}

function dataOf(frame: string): string {
  return frame
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5))
    .join('\n');
}

/** Index after the blank line that ends the frame, or -1. Both line ends of the field are in use: \n\n and \r\n\r\n. */
function endOfFrame(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(lf, start); at >= 0; at = bytes.indexOf(lf, at + 1)) {
    if (bytes[at + 1] === lf) return at + 2;
    if (bytes[at + 1] === cr && bytes[at + 2] === lf) return at + 3;
  }
  return -1;
}
