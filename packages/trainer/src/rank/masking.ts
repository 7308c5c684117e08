/** Hides tokens of a batch that was read for next-token training, in place. */
import { maskedCount, maskSequence } from '@gantry/training/masking';

export interface Masking {
  readonly seed: number;
  readonly maskId: number;
}

export interface MaskableBatch {
  /** [sequences × time] each. */
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
  readonly weights: Float32Array;
}

/** The first `count` rows; `scale` is what the mean of a row's guesses weighs. */
export function maskRows(
  { seed, maskId }: Masking,
  { tokens, targets, weights }: MaskableBatch,
  { time, count, place, scale }: { time: number; count: number; place: number; scale: number },
): void {
  const weight = scale / maskedCount(time);
  for (let row = 0; row < count; row += 1) {
    const [from, to] = [row * time, (row + 1) * time];
    maskSequence(
      {
        tokens: tokens.subarray(from, to),
        targets: targets.subarray(from, to),
        weights: weights.subarray(from, to),
      },
      { seed, place: place + row, maskId, vocabularySize: maskId, weight },
    );
  }
}
