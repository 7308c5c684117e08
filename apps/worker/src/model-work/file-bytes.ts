/** A file of which a conversion reads one tensor after the other. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { FileBytes } from '@gantry/conversion';
import { WorkError } from './work-error.ts';

/** Opened for each piece: nothing stays open that an error could forget. */
export function fileBytes(path: string): FileBytes {
  return {
    byteLength: statSync(path).size,
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      const file = openSync(path, 'r');
      try {
        let at = 0;
        while (at < length) {
          const count = readSync(file, bytes, at, length - at, offset + at);
          if (count === 0) throw new WorkError('data_invalid', `${path} ended while it was read`);
          at += count;
        }
        return bytes;
      } finally {
        closeSync(file);
      }
    },
  };
}
