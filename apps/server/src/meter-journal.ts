/**
 * What was answered and is not in the ledger yet, on disk: a server that is killed between an answer and its
 * batch leaves it to the next one. Appended in the same breath as the answer, so it must cost next to nothing:
 * no fsync; what a power cut takes with it, it takes.
 */
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { MeterRecord } from '@gantry/gateway';

export interface MeterLine {
  readonly record: MeterRecord;
  readonly at: string;
}

export interface MeterJournal extends Disposable {
  /** Of an earlier server. */
  readonly left: readonly MeterLine[];
  append(line: MeterLine): void;
  /** All but these are in the ledger. */
  keepOnly(lines: readonly MeterLine[]): void;
}

/** Below this size lines that are written already stay in the file: telling them twice is harmless. */
const rewriteAboveBytes = 4 * 1024 ** 2;

export function openMeterJournal(file: string): MeterJournal {
  const left = readLines(file);
  let descriptor = openSync(file, 'a', 0o600);
  let bytes = 0;
  const textOf = (lines: readonly MeterLine[]): string =>
    lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  return {
    left,
    append: (line) => {
      bytes += writeSync(descriptor, textOf([line]));
    },
    keepOnly: (lines) => {
      if (lines.length === 0) {
        ftruncateSync(descriptor);
        bytes = 0;
      } else if (bytes > rewriteAboveBytes) {
        const text = textOf(lines);
        writeFileSync(`${file}.new`, text, { mode: 0o600 });
        closeSync(descriptor);
        renameSync(`${file}.new`, file);
        descriptor = openSync(file, 'a', 0o600);
        bytes = Buffer.byteLength(text);
      }
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function readLines(file: string): readonly MeterLine[] {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as MeterLine];
    } catch {
      return []; // empty, or cut by the kill: its answer never left
    }
  });
}
