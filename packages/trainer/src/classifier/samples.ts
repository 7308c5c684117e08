/** What a classifier learns from, in memory: numbers of each sample, brought to mean 0 and deviation 1, and its class. */
import type { ClassifierInput } from '@gantry/training/classifier';
import { createRandom } from '@gantry/kit';

/** What one number of a sample means. */
export interface Feature {
  readonly name: string;
  /** The number is 1 where the column has this value, else 0. */
  readonly is?: string;
}

export interface RawSamples {
  readonly input: ClassifierInput;
  /** [samples, numbers] */
  readonly features: Float32Array;
  /** Class of each. */
  readonly targets: Int32Array;
  readonly classes: readonly string[];
  /** Of a table's numbers; none for images. */
  readonly columns: readonly Feature[];
  readonly digest: string;
}

export interface Samples extends RawSamples {
  /** Of each number of a table, of each channel of images, over the training samples. */
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
  /** Which samples are learned from, and which only judge. */
  readonly train: readonly number[];
  readonly validation: readonly number[];
}

/** Splits by the seed and scales the features in place by what the training samples have. */
export function prepareSamples(raw: RawSamples, validationFraction: number, seed: number): Samples {
  const { features, targets, input } = raw;
  const count = targets.length;
  const order = Array.from({ length: count }, (_, index) => index);
  const random = createRandom(seed);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = random.below(at + 1);
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
  const held = Math.min(count - 1, Math.floor(count * validationFraction));
  const validation = order.slice(0, held);
  const train = order.slice(held);
  const size = features.length / count;
  const groups = input.kind === 'table' ? input.columns : input.channels;
  const groupSize = size / groups;
  const mean = new Float32Array(groups);
  const deviation = new Float32Array(groups);
  for (let group = 0; group < groups; group += 1) {
    let [sum, square] = [0, 0];
    for (const sample of train) {
      const from = sample * size + group * groupSize;
      for (let at = from; at < from + groupSize; at += 1) {
        sum += features[at] as number;
        square += (features[at] as number) ** 2;
      }
    }
    const numbers = train.length * groupSize;
    const average = sum / numbers;
    mean[group] = average;
    // A number that is always the same tells nothing, and stays 0.
    deviation[group] = Math.sqrt(Math.max(0, square / numbers - average ** 2)) || 1;
  }
  for (const at of features.keys()) {
    const group = Math.floor((at % size) / groupSize);
    features[at] = ((features[at] as number) - (mean[group] as number)) / (deviation[group] as number);
  }
  return { ...raw, mean, deviation, train, validation };
}
