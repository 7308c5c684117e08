/** Entries of one length as the numbers of a pass: what each token may look at, and whose logits are wanted. Pure. */
import type { StepEntry } from '@gantry/serving/steps';
import type { PassSizes } from './decoder-graph.ts';

export interface PassInputs {
  readonly sizes: PassSizes;
  readonly tokens: readonly number[];
  readonly positions: readonly number[];
  /** Of each sequence as many blocks as the longest past has; the rest are masked. */
  readonly table: readonly number[];
  /** [S, 1, 1, Q, L] */
  readonly mask: Float32Array;
  /** Rows of the S·Q whose logits are wanted. */
  readonly wanted: readonly number[];
  /** Of each entry, how many of them are its own. */
  readonly rowsOf: readonly number[];
}

export function passInputs(entries: readonly StepEntry[], tokensPerBlock: number): PassInputs {
  const tokensEach = entries[0]?.tokens.length ?? 0;
  const blocksEach = Math.max(
    1,
    ...entries.map(({ firstPosition }) => Math.ceil(firstPosition / tokensPerBlock)),
  );
  const pastCells = blocksEach * tokensPerBlock;
  const keys = pastCells + tokensEach;
  const mask = new Float32Array(entries.length * tokensEach * keys).fill(-Infinity);
  const wanted: number[] = [];
  const rowsOf: number[] = [];
  for (const [at, { firstPosition, isSampled, isScored, drafted }] of entries.entries()) {
    for (let query = 0; query < tokensEach; query++) {
      const row = (at * tokensEach + query) * keys;
      mask.fill(0, row, row + firstPosition);
      mask.fill(0, row + pastCells, row + pastCells + query + 1);
    }
    const first = isScored ? 0 : isSampled ? tokensEach - 1 - drafted : tokensEach;
    for (let query = first; query < tokensEach; query++) wanted.push(at * tokensEach + query);
    rowsOf.push(tokensEach - first);
  }
  return {
    sizes: { sequences: entries.length, tokensEach, blocksEach },
    tokens: entries.flatMap(({ tokens }) => tokens),
    positions: entries.flatMap(({ firstPosition, tokens }) =>
      tokens.map((_, index) => firstPosition + index),
    ),
    table: entries.flatMap(({ table }) =>
      Array.from({ length: blocksEach }, (_, index) => table[index] ?? 0),
    ),
    mask,
    wanted,
    rowsOf,
  };
}
