/**
 * A mixture of experts in steps, so that tokens can travel to the ranks of their experts in between. Every tensor rank
 * routes all tokens and sends those of its own experts; the sum over ranks has all of them.
 */
import { route, type Routing, type Value } from '../autodiff/index.ts';
import type { LayerContext } from './layer-context.ts';
import { expertsOf } from './layer-parts.ts';
import type { ExpertsConfig } from './transformer-config.ts';

export interface RoutedTokens extends Routing {
  /** [N, k] weight of each choice. */
  readonly gates: Value;
}

/** Places of one expert for a sequence of `time` tokens while it learns (Fedus et al. 2022, §2.2). */
export function expertCapacity({ count, top, capacityFactor }: ExpertsConfig, time: number): number {
  return Math.min(time, Math.ceil(((top * time) / count) * capacityFactor));
}

export function routeTokens(
  { tape, part, sequences, share, weights, isTraining }: LayerContext,
  x: Value,
  experts: ExpertsConfig,
): RoutedTokens {
  const time = (x.shape[0] as number) / sequences;
  const logits = tape.apply('linear', [x, part('mlp.router.weight')], {});
  const routing = route(tape.graph, tape.rows(logits), {
    sequences,
    top: experts.top,
    capacity: isTraining ? expertCapacity(experts, time) : time,
    ...expertsOf(experts.count, share.count, share.index),
  });
  const { choices } = routing;
  const isFirst = share.index === 0;
  const balanced = isFirst
    ? tape.apply('balance', [logits, choices, weights], { sequences, factor: experts.balance })
    : logits;
  return { ...routing, gates: tape.apply('gates', [balanced, choices], {}) };
}

/** [N, width] → [places, width], expert by expert. */
export function dispatchTokens({ tape }: LayerContext, x: Value, { tokenAt, places }: RoutedTokens): Value {
  return tape.apply('dispatch', [x, tokenAt, places], {});
}

/** [places, width] of what the experts say → [N, width], weighed. */
export function combineTokens(
  { tape }: LayerContext,
  said: Value,
  { gates, places, tokenAt, choiceAt }: RoutedTokens,
): Value {
  return tape.apply('combine', [said, gates, places, tokenAt, choiceAt], {});
}
