/**
 * Dynamic loss scaling (Micikevicius et al. 2018, §3.2): half-precision gradients are kept out of the subnormals by
 * a factor that doubles after `growAfter` good steps and halves when one overflows; that step is not made.
 */
export interface LossScaleState {
  readonly scale: number;
  readonly goodSteps: number;
}

export const lossScaleStart: LossScaleState = { scale: 65_536, goodSteps: 0 };
const growAfter = 2000;

export function afterGoodStep({ scale, goodSteps }: LossScaleState): LossScaleState {
  return goodSteps + 1 === growAfter
    ? { scale: scale * 2, goodSteps: 0 }
    : { scale, goodSteps: goodSteps + 1 };
}

/** Undefined when there is nothing left to halve: the numbers are bad at any scale. */
export function afterOverflow({ scale }: LossScaleState): LossScaleState | undefined {
  return scale <= 1 ? undefined : { scale: scale / 2, goodSteps: 0 };
}
