/** Files → a POSIX tar stream (IEEE 1003.1 "pax interchange format"): ustar headers, pax records for long paths. */
const block = 512;
const encoder = new TextEncoder();

export interface TarFile {
  /** Relative, with slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly isExecutable: boolean;
  open(): AsyncIterable<Uint8Array>;
}

/** Fails when a file has not the size that was said. Times and owners are left out: equal files, equal bytes. */
export async function* writeTar(
  files: AsyncIterable<TarFile> | Iterable<TarFile>,
): AsyncIterable<Uint8Array> {
  for await (const file of files) {
    if (encoder.encode(file.path).length > 100 || file.bytes >= 8 ** 11) yield* paxHeader(file);
    yield header(file.path, file.bytes, '0', file.isExecutable ? 0o755 : 0o644);
    let written = 0;
    for await (const chunk of file.open()) {
      written += chunk.length;
      if (written > file.bytes) break;
      yield chunk;
    }
    if (written !== file.bytes) throw new Error(`${file.path} changed while it was packed`);
    yield padding(file.bytes);
  }
  yield new Uint8Array(2 * block);
}

function* paxHeader({ path, bytes }: TarFile): Iterable<Uint8Array> {
  const records = encoder.encode(record('path', path) + record('size', String(bytes)));
  yield header('pax', records.length, 'x', 0o644);
  yield records;
  yield padding(records.length);
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function record(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return `${length} ${key}=${value}\n`;
}

function header(path: string, bytes: number, type: '0' | 'x', mode: number): Uint8Array {
  const result = new Uint8Array(block);
  const text = (at: number, value: string): void => result.set(encoder.encode(value), at);
  const octal = (at: number, digits: number, value: number): void =>
    text(at, value.toString(8).padStart(digits, '0').slice(-digits));
  result.set(encoder.encode(path).subarray(0, 100), 0);
  octal(100, 7, mode);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, bytes);
  octal(136, 11, 0);
  text(148, ' '.repeat(8));
  text(156, type);
  text(257, 'ustar\u000000');
  octal(
    148,
    6,
    result.reduce((sum, byte) => sum + byte, 0),
  );
  result[154] = 0;
  return result;
}

const padding = (bytes: number): Uint8Array => new Uint8Array((block - (bytes % block)) % block);
