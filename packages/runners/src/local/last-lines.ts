import { closeSync, readSync } from 'node:fs';
import { openOwnFile } from './own-file.ts';

const blockBytes = 64 * 1024;
const newline = 0x0a;

/** Where the last `lines` lines of a file of `sizeBytes` begin; a last line without its end counts as one. */
export function beginOfLastLines(file: string, sizeBytes: number, lines: number): number {
  if (sizeBytes === 0 || lines === 0) return sizeBytes;
  const descriptor = openOwnFile(file);
  try {
    const block = Buffer.alloc(blockBytes);
    let left = lines;
    for (let end = sizeBytes; end > 0; end -= blockBytes) {
      const start = Math.max(0, end - blockBytes);
      const bytes = readSync(descriptor, block, 0, end - start, start);
      for (let at = bytes - 1; at >= 0; at--) {
        // The newline that ends the last line begins no other.
        if (block[at] !== newline || start + at === sizeBytes - 1) continue;
        left -= 1;
        if (left === 0) return start + at + 1;
      }
    }
    return 0;
  } finally {
    closeSync(descriptor);
  }
}
