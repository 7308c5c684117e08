/**
 * A tar stream from somebody we do not know → files. Only plain files and folders: links and devices are how an
 * archive leaves its folder. Every path is checked before it is handed out, every number against a limit.
 */
import { FormatError } from '../format-error.ts';

const block = 512;
const decoder = new TextDecoder('utf-8', { fatal: true });

export interface TarLimits {
  readonly files: number;
  readonly bytes: number;
}

export interface TarEntry {
  readonly kind: 'file' | 'folder';
  /** Relative, without "." and "..", with slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly isExecutable: boolean;
  /** To be read to its end before the next entry is asked for; what is not read is skipped. */
  readonly body: AsyncIterable<Uint8Array>;
}

export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  limits: TarLimits,
): AsyncIterable<TarEntry> {
  const input = createInput(source);
  let files = 0;
  let total = 0;
  let pax: ReadonlyMap<string, string> = new Map();
  for (;;) {
    const head = await input.take(block);
    if (head === undefined) throw new FormatError('format_truncated', 'the archive has no end');
    if (head.every((byte) => byte === 0)) return;
    checkSum(head);
    const type = String.fromCharCode(head[156] ?? 0);
    const size = pax.has('size') && type !== 'x' ? Number(pax.get('size')) : octal(head, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0)
      throw new FormatError('format_invalid', 'the archive names a size that is none');
    if (type === 'x' || type === 'g') {
      if (size > 64 * 1024) throw new FormatError('format_limit', 'the archive has a header of absurd size');
      const records = await input.take(size);
      if (records === undefined) throw new FormatError('format_truncated', 'the archive ends in a header');
      await input.skip(paddingOf(size));
      if (type === 'x') pax = parsePax(records);
      continue;
    }
    const path = safePath(pax.get('path') ?? ustarPath(head));
    pax = new Map();
    if (type !== '0' && type !== '\0' && type !== '5')
      throw new FormatError(
        'format_unsupported',
        `"${path}" is a link or a device`,
        'pack plain files and folders only',
      );
    files += 1;
    total += size;
    if (files > limits.files || total > limits.bytes)
      throw new FormatError(
        'format_limit',
        `the archive holds more than ${limits.files} files or ${limits.bytes} bytes`,
        'leave files out with .gantryignore',
      );
    let left = type === '5' ? 0 : size;
    yield {
      kind: type === '5' ? 'folder' : 'file',
      path,
      bytes: left,
      isExecutable: (octal(head, 100, 8) & 0o100) !== 0,
      body: {
        async *[Symbol.asyncIterator]() {
          while (left > 0) {
            const chunk = await input.some(left);
            if (chunk === undefined)
              throw new FormatError('format_truncated', `the archive ends inside "${path}"`);
            left -= chunk.length;
            yield chunk;
          }
        },
      },
    };
    await input.skip(left + paddingOf(type === '5' ? 0 : size));
  }
}

const paddingOf = (size: number): number => (block - (size % block)) % block;

function safePath(given: string): string {
  const path = given.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  const parts = path.split('/');
  const isSafe =
    path.length <= 4096 &&
    !/[\0\\]/.test(path) &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= 255);
  if (isSafe) return path;
  throw new FormatError(
    'format_invalid',
    `the archive holds ${JSON.stringify(given.slice(0, 200))}, which is no path inside it`,
    'pack relative paths without ".."',
  );
}

function ustarPath(head: Uint8Array): string {
  const prefix = text(head, 345, 155);
  const name = text(head, 0, 100);
  return prefix === '' || text(head, 257, 5) !== 'ustar' ? name : `${prefix}/${name}`;
}

function text(head: Uint8Array, at: number, length: number): string {
  const field = head.subarray(at, at + length);
  const end = field.indexOf(0);
  try {
    return decoder.decode(end === -1 ? field : field.subarray(0, end));
  } catch (error) {
    throw new FormatError('format_invalid', 'the archive holds a name that is no UTF-8', undefined, error);
  }
}

function octal(head: Uint8Array, at: number, length: number): number {
  const digits = text(head, at, length).trim();
  if (!/^[0-7]*$/.test(digits))
    throw new FormatError('format_invalid', 'the archive holds a number that is none');
  return Number.parseInt(digits === '' ? '0' : digits, 8);
}

function checkSum(head: Uint8Array): void {
  const sum = head.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (sum !== octal(head, 148, 8))
    throw new FormatError('format_invalid', 'this is no tar archive, or it was damaged');
}

function parsePax(bytes: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(32, at);
    const length = space === -1 ? Number.NaN : Number(text(bytes, at, space - at));
    if (!Number.isSafeInteger(length) || length <= space - at + 1 || at + length > bytes.length)
      throw new FormatError('format_invalid', 'the archive has a broken header');
    const record = text(bytes, space + 1, at + length - space - 2);
    const equals = record.indexOf('=');
    if (equals > 0) records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/** Chunks of any size → pieces of the size that is asked for. */
function createInput(source: AsyncIterable<Uint8Array>): {
  some(atMost: number): Promise<Uint8Array | undefined>;
  take(count: number): Promise<Uint8Array | undefined>;
  skip(count: number): Promise<void>;
} {
  const iterator = source[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  const some = async (atMost: number): Promise<Uint8Array | undefined> => {
    while (rest.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return undefined;
      rest = next.value;
    }
    const chunk = rest.subarray(0, atMost);
    rest = rest.subarray(chunk.length);
    return chunk;
  };
  return {
    some,
    take: async (count) => {
      const result = new Uint8Array(count);
      for (let at = 0; at < count;) {
        const chunk = await some(count - at);
        if (chunk === undefined) return undefined;
        result.set(chunk, at);
        at += chunk.length;
      }
      return result;
    },
    skip: async (count) => {
      for (let left = count; left > 0;) {
        const chunk = await some(left);
        if (chunk === undefined) throw new FormatError('format_truncated', 'the archive ends too early');
        left -= chunk.length;
      }
    },
  };
}
