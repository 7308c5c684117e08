/**
 * Files in folders that a worker may write in, touched by processes that may more than the worker: what it puts in a
 * file's place must lead nowhere else (a link to the server's keys), hold nobody up (a pipe), nor fill the memory.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  writeFileSync,
} from 'node:fs';

const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/** No file that we keep of a worker is larger, its logs and reports excepted: those are read in pieces. */
const mostBytes = 64 * 1024 ** 2;

/** A descriptor to read from. Throws for what is not there, or is no file. */
export function openOwnFile(path: string): number {
  return asFile(openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), path);
}

/** Bytes of the file; 0 where there is none. */
export function ownFileBytes(path: string): number {
  const info = lstatSync(path, { throwIfNoEntry: false });
  return info?.isFile() === true ? info.size : 0;
}

/** The whole text. Throws as `openOwnFile` does, and for what is too large to be ours. */
export function readOwnFile(path: string): string {
  const descriptor = openOwnFile(path);
  try {
    const { size } = fstatSync(descriptor);
    if (size > mostBytes) throw new RangeError(`${path} is too large`);
    const bytes = Buffer.alloc(size);
    let read = 0;
    for (let count = -1; count !== 0 && read < size; read += count)
      count = readSync(descriptor, bytes, read, size - read, read);
    return bytes.toString('utf8', 0, read);
  } finally {
    closeSync(descriptor);
  }
}

/** Whole or not at all: readers never see half a file. What stood there is replaced, were it a link. */
export function writeOwnFile(path: string, text: string): void {
  // A name that nobody can have taken beforehand; `wx` follows no link anyway.
  const aside = `${path}.${randomUUID()}.tmp`;
  writeFileSync(aside, text, { mode: 0o600, flag: 'wx' });
  renameSync(aside, path);
}

/** A text at its end; the file is made where it is missing. */
export function appendOwnFile(path: string, text: string): void {
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const descriptor = asFile(openSync(path, flags, 0o600), path);
  try {
    writeFileSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

function asFile(descriptor: number, path: string): number {
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw new Error(`${path} is no file`);
}
