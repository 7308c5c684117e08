/** Mean loss a token over held-out sequences. */
import type { ModelExecutor } from '../executor/index.ts';
import { maskRows, type Masking } from './masking.ts';
import type { TokenSource } from './token-source.ts';

export async function validationLoss(
  executor: ModelExecutor,
  source: TokenSource,
  shape: { readonly sequences: number; readonly time: number },
  limitSequences: number,
  masking?: Masking,
): Promise<number | undefined> {
  const all = Math.min(source.sequences, limitSequences);
  if (all === 0) return undefined;
  const { sequences, time } = shape;
  let sum = 0;
  for (let first = 0; first < all; first += sequences) {
    const count = Math.min(sequences, all - first);
    executor.weights.fill(0);
    executor.weights.fill(1, 0, count * time);
    for (let row = 0; row < count; row += 1) {
      // Spread over the whole of the held-out text when not all of it is read.
      source.fill(Math.floor(((first + row) * source.sequences) / all), executor, row);
    }
    // Held-out text is always masked alike, so that losses of different steps compare.
    if (masking !== undefined) maskRows(masking, executor, { time, count, place: first, scale: time });
    await executor.run();
    sum += executor.loss[0] as number;
  }
  return sum / (all * time);
}
