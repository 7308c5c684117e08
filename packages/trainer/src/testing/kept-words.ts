/**
 * What ranks inside a test's process say to their logs: kept out of the log of the tests, where a hundred expected
 * refusals would hide the one that matters, and told only of a test that failed.
 */
import { onTestFailed } from 'vitest';

type Write = typeof process.stderr.write;

const streams = [process.stdout, process.stderr];
let own: readonly Write[] = [];
let open = 0;
let words = '';

/** Several may go on at once. */
export async function withWordsKept<Result>(run: () => Promise<Result>): Promise<Result> {
  if (open === 0) {
    words = '';
    // oxlint-disable-next-line unbound-method -- put back on the stream it was taken from
    own = streams.map((stream) => stream.write);
    for (const stream of streams) stream.write = keep;
  }
  open += 1;
  try {
    return await run();
  } finally {
    open -= 1;
    if (open === 0) for (const [at, stream] of streams.entries()) stream.write = own[at] as Write;
    const said = words;
    if (said !== '') tellOnFailure(said);
  }
}

function keep(chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean {
  words += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
  const done = rest.at(-1);
  if (typeof done === 'function') done();
  return true;
}

function tellOnFailure(said: string): void {
  try {
    onTestFailed(() => void process.stderr.write(said));
  } catch {
    // before or after a test: nobody would know whose it is
    process.stderr.write(said);
  }
}
