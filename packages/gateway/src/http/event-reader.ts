/** Events out of bytes as they come, however they are cut. */
import { parseJson } from './parse-json.ts';

export class EventReader {
  readonly #decoder = new TextDecoder();
  #rest = '';

  push(chunk: Uint8Array): readonly unknown[] {
    this.#rest += this.#decoder.decode(chunk, { stream: true });
    const frames = this.#rest.split(/\r?\n\r?\n/);
    this.#rest = frames.pop() ?? '';
    return frames.flatMap(dataOf);
  }
}

/** Nothing for a comment, `[DONE]` and what is no JSON. */
function dataOf(frame: string): readonly unknown[] {
  const data = frame
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
    .join('\n');
  try {
    return [parseJson(Buffer.from(data))];
  } catch {
    return [];
  }
}
