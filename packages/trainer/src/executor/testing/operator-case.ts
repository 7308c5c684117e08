/** An operator with an example of its inputs and its definition in float64. */
import type { OperatorAttributes, OperatorName } from '@gantry/training/autodiff';

export type Numbers = readonly number[];
export type Shapes = readonly (readonly number[])[];

export interface OperatorCase<Name extends OperatorName> {
  readonly attributes: OperatorAttributes[Name];
  readonly shapes: Shapes;
  readonly output: readonly number[];
  /** Inputs that are whole numbers below this, and have no gradient. */
  readonly choices?: Readonly<Record<number, number>>;
  /** Inputs without a gradient. */
  readonly fixed?: readonly number[];
  /** Inputs that are these whole numbers, and have no gradient. */
  readonly given?: Readonly<Record<number, Numbers>>;
  /** A number more whose gradient the operator adds. */
  readonly also?: (inputs: readonly Numbers[]) => number;
  /** The definition. */
  readonly define: (inputs: readonly Numbers[]) => Numbers;
}

export type OperatorCases<Names extends OperatorName> = { readonly [Name in Names]: OperatorCase<Name> };

/** Of the matrices in the examples. */
export const [rows, inner, columns] = [32, 16, 48] as const;

export const sum = (count: number, term: (index: number) => number): number => {
  let total = 0;
  for (let index = 0; index < count; index += 1) total += term(index);
  return total;
};
export const table = (count: number, value: (index: number) => number): number[] =>
  Array.from({ length: count }, (_, index) => value(index));
export const at = (values: Numbers | undefined, index: number): number => values?.[index] as number;
