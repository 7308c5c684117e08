/** What an operator must say: its forward nodes, and those of its vector-Jacobian product. */
import type { GraphBuilder } from './graph.ts';
import type { Value } from './value.ts';

export type NoAttributes = Readonly<Record<string, never>>;

export interface BackwardContext<Attributes> {
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly saved: readonly Value[];
  readonly attributes: Attributes;
  readonly gradient: Value;
}

export interface OperatorRule<Attributes> {
  /** It accepts inputs and gradients in the blocked layout; for the others they are brought into rows first. */
  readonly takesBlocked?: true;
  forward(
    graph: GraphBuilder,
    inputs: readonly Value[],
    attributes: Attributes,
  ): { readonly output: Value; readonly saved: readonly Value[] };
  /** One gradient per input, in order; undefined where the input is not differentiable. */
  backward(graph: GraphBuilder, context: BackwardContext<Attributes>): readonly (Value | undefined)[];
}
