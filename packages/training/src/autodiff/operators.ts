/**
 * All differentiable operators and their attributes; each rule is in a file of its idea. The table is typed by all of
 * them, so one without a gradient does not build.
 */
import { attentionBackward, attentionForward, type AttentionAttributes } from './attention.ts';
import { roundBlocks, type BlockAttributes } from './block-rounding.ts';
import { crossEntropy } from './cross-entropy.ts';
import { balance, combine, dispatch, gates, joinRows, sliceRows } from './expert-operators.ts';
import { round, type NarrowFloat } from './float-rounding.ts';
import { gelu } from './gelu.ts';
import { mergeHeads, rotary, splitHeads, type HeadAttributes } from './head-operators.ts';
import { averagePool, channelMeans, convolution, relu } from './image-operators.ts';
import { roundChannels, roundRange, type ChannelAttributes } from './integer-rounding.ts';
import { layerNorm } from './layer-norm.ts';
import { linear, linearTransposed, type LinearAttributes } from './linear.ts';
import type { NoAttributes, OperatorRule } from './operator-rule.ts';
import { rmsNorm } from './rms-norm.ts';
import { addRows } from './row-operators.ts';
import { swiGlu } from './swi-glu.ts';
import { take } from './take.ts';

export interface OperatorAttributes {
  linear: LinearAttributes;
  linearTransposed: LinearAttributes;
  rmsNorm: { readonly epsilon: number };
  layerNorm: { readonly epsilon: number };
  addRows: NoAttributes;
  sliceRows: { readonly from: number; readonly to: number };
  joinRows: NoAttributes;
  gelu: NoAttributes;
  relu: NoAttributes;
  convolution: NoAttributes;
  averagePool: NoAttributes;
  channelMeans: NoAttributes;
  dispatch: NoAttributes;
  combine: NoAttributes;
  gates: NoAttributes;
  balance: { readonly sequences: number; readonly factor: number };
  add: NoAttributes;
  swiGlu: NoAttributes;
  splitHeads: HeadAttributes;
  mergeHeads: HeadAttributes;
  rotary: { readonly theta: number };
  /**
   * q [batch, heads, time, w], k and v [batch, kvHeads, time, w]; head h reads kv head h / (heads / kvHeads). A
   * fourth input [buckets, heads] is added to the scores by range of distance.
   */
  attention: AttentionAttributes;
  round: { readonly to: NarrowFloat };
  roundBlocks: BlockAttributes;
  roundChannels: ChannelAttributes;
  roundRange: NoAttributes;
  crossEntropy: NoAttributes;
}

export type OperatorName = keyof OperatorAttributes;

export type OperatorTable = { readonly [Name in OperatorName]: OperatorRule<OperatorAttributes[Name]> };

export const operators: OperatorTable = {
  linear,
  linearTransposed,
  rmsNorm,
  layerNorm,
  addRows,
  sliceRows,
  joinRows,
  gelu,
  relu,
  convolution,
  averagePool,
  channelMeans,
  dispatch,
  combine,
  gates,
  balance,
  add: {
    forward: (graph, inputs) => {
      const [left, right] = take(inputs, 2);
      return { output: graph.add(left, right), saved: [] };
    },
    backward: (_graph, { gradient }) => [gradient, gradient],
  },
  swiGlu,
  splitHeads,
  mergeHeads,
  rotary,
  attention: { forward: attentionForward, backward: attentionBackward },
  round,
  roundBlocks,
  roundChannels,
  roundRange,
  crossEntropy,
};
