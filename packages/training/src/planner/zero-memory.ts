/**
 * Bytes a device holds of parameters, gradients and optimiser state under ZeRO (Rajbhandari et al. 2020,
 * §3 and Table 1). `mixed`: fp16 weights and gradients with fp32 master, momentum and variance (K = 12).
 */
export type ZeroStage = 0 | 1 | 2 | 3;
export type Precision = 'mixed' | 'fp32';

/** Bytes per parameter of each part, unpartitioned. */
const parts = {
  mixed: { parameters: 2, gradients: 2, optimiser: 12 },
  fp32: { parameters: 4, gradients: 4, optimiser: 8 },
} as const satisfies Record<Precision, Record<string, number>>;

export interface ModelStateBytes {
  readonly parameters: number;
  readonly gradients: number;
  readonly optimiser: number;
  readonly total: number;
}

export function modelStateBytes(
  parameters: number,
  devices: number,
  stage: ZeroStage,
  precision: Precision = 'mixed',
): ModelStateBytes {
  const bytes = parts[precision];
  const share = (perParameter: number, fromStage: number): number =>
    (perParameter * parameters) / (stage >= fromStage ? devices : 1);
  const held = {
    parameters: share(bytes.parameters, 3),
    gradients: share(bytes.gradients, 2),
    optimiser: share(bytes.optimiser, 1),
  };
  return { ...held, total: held.parameters + held.gradients + held.optimiser };
}
