/** Stochastic gradient descent with heavy-ball momentum (as torch.optim.SGD), decay beside the gradient as in AdamW. */
export interface SgdState {
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  readonly momentum: Float32Array;
}

export interface SgdSettings {
  readonly momentum: number;
  readonly weightDecay: number;
}

export function sgdUpdate(
  { parameters, gradients, momentum }: SgdState,
  decays: boolean,
  settings: SgdSettings,
  { learningRate, gradientScale }: { readonly learningRate: number; readonly gradientScale: number },
): void {
  const keep = decays ? 1 - learningRate * settings.weightDecay : 1;
  for (let index = 0; index < parameters.length; index += 1) {
    const moved =
      settings.momentum * (momentum[index] as number) + (gradients[index] as number) * gradientScale;
    momentum[index] = moved;
    parameters[index] = (parameters[index] as number) * keep - learningRate * moved;
  }
}
