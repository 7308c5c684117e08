/** A classifier of rows of numbers (MLP) or of images (convolutions, then an MLP on the means of their channels). */
import { placeParameters, type ParameterLayout, type ParameterRequest } from '../model/parameter-layout.ts';
import { ShapeError } from '../model/transformer-shape.ts';

export type ClassifierInput =
  | { readonly kind: 'table'; readonly columns: number }
  | { readonly kind: 'image'; readonly channels: number; readonly height: number; readonly width: number };

export interface ClassifierConfig {
  readonly family: 'classifier';
  readonly input: ClassifierInput;
  readonly classes: number;
  /** Of each stage of an image classifier: 3 × 3 convolution, ReLU, and half the height and width. */
  readonly channels: readonly number[];
  /** Of each hidden layer. */
  readonly hidden: readonly number[];
}

/** Shape of one sample. */
export function sampleShape({ input }: ClassifierConfig): readonly number[] {
  return input.kind === 'table' ? [input.columns] : [input.channels, input.height, input.width];
}

export function checkClassifier({ input, channels, classes }: ClassifierConfig): void {
  if (classes < 2)
    throw new ShapeError(
      `The labels name ${classes === 1 ? 'one class' : 'no class'}.`,
      'There must be two or more to tell apart.',
    );
  if (input.kind === 'table') return;
  const smallest = Math.min(input.height, input.width);
  const most = Math.floor(Math.log2(smallest));
  if (channels.length > most)
    throw new ShapeError(
      `${channels.length} stages halve images of ${input.width} × ${input.height} to less than one place.`,
      `Give train.classifier.channels ${most} numbers or fewer, or larger images.`,
    );
}

/** Weights start as He et al. 2015 (§2.2) found for ReLU: deviation √(2 / inputs). */
export function classifierLayout({ input, classes, channels, hidden }: ClassifierConfig): ParameterLayout {
  const requests: ParameterRequest[] = [];
  const push = (name: string, shape: readonly number[], fanIn: number, isTurned: boolean): void => {
    const start = { deviation: Math.sqrt(2 / fanIn) };
    requests.push({ name: `${name}.weight`, shape, isTurned, start });
    const outputs = (isTurned ? shape[1] : shape[0]) as number;
    requests.push({ name: `${name}.bias`, shape: [1, outputs], isTurned: false, start: { all: 0 } });
  };
  let width = input.kind === 'table' ? input.columns : input.channels;
  for (const [index, count] of (input.kind === 'image' ? channels : []).entries()) {
    push(`features.${index}`, [count, width, 3, 3], width * 9, false);
    width = count;
  }
  for (const [index, count] of [...hidden, classes].entries()) {
    push(index < hidden.length ? `hidden.${index}` : 'output', [width, count], width, true);
    width = count;
  }
  return placeParameters(requests);
}
