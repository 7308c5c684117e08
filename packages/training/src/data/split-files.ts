/** Which files train and which are held out: whole files, so that no document is on both sides. */
import { createRandom } from '@gantry/kit';

export interface SizedFile {
  readonly path: string;
  readonly bytes: number;
}

/**
 * Shuffles by seed and holds out files until `validationFraction` of the bytes is reached without going
 * over it; at least one file on each side. Returns the held-out paths; empty when there is one file.
 */
export function chooseValidationFiles(
  files: readonly SizedFile[],
  options: { readonly validationFraction: number; readonly seed: number },
): ReadonlySet<string> {
  if (files.length < 2 || options.validationFraction <= 0) return new Set();
  const random = createRandom(options.seed);
  const order = [...files].sort((one, other) => (one.path < other.path ? -1 : 1));
  for (let index = order.length - 1; index > 0; index -= 1) {
    const other = random.below(index + 1);
    [order[index], order[other]] = [order[other] as SizedFile, order[index] as SizedFile];
  }
  const wanted = files.reduce((sum, { bytes }) => sum + bytes, 0) * options.validationFraction;
  const chosen = new Set<string>();
  let held = 0;
  for (const { path, bytes } of order) {
    if (chosen.size + 1 === files.length) break;
    if (held + bytes > wanted) continue;
    chosen.add(path);
    held += bytes;
  }
  if (chosen.size === 0) {
    const smallest = order.reduce((least, file) => (file.bytes < least.bytes ? file : least));
    chosen.add(smallest.path);
  }
  return chosen;
}
