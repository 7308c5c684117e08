/**
 * What an optimiser keeps beside 16-bit parameters, and what its step takes. Every one has an fp32 master; AdamW two
 * moments, SGD one, Muon one for the matrices of layers (Jordan et al. 2024) and AdamW's for the rest, Adafactor a
 * row and a column of each matrix (Shazeer & Stern 2018).
 */
import type { DeviceProfile } from './device-profile.ts';
import { matmulSeconds } from './matmul-time.ts';
import { attentionMatrices, layerParameters, mlpMatrices, type ModelShape } from './model-shape.ts';

export type Optimiser = 'adamw' | 'sgd' | 'muon' | 'adafactor';

interface Cost {
  /** A parameter of a layer's matrix, and any other: master and moments. */
  readonly stateBytes: { readonly matrix: number; readonly other: number };
  /** Gradient, states read and written, the 16-bit copy; norm and unscaling passes before. */
  readonly stepBytes: number;
}

const costs: Readonly<Record<Optimiser, Cost>> = {
  adamw: { stateBytes: { matrix: 12, other: 12 }, stepBytes: 46 },
  sgd: { stateBytes: { matrix: 8, other: 8 }, stepBytes: 38 },
  muon: { stateBytes: { matrix: 8, other: 12 }, stepBytes: 38 },
  // Squares are summed in a pass of their own.
  adafactor: { stateBytes: { matrix: 4, other: 4 }, stepBytes: 34 },
};

export const optimiserStepBytes = (optimiser: Optimiser): number => costs[optimiser].stepBytes;

/** Bytes a parameter, where `layers` of the parameters are in layers (0 to 1). */
export function optimiserStateBytes(optimiser: Optimiser, model: ModelShape, layers: number): number {
  const { matrix, other } = costs[optimiser].stateBytes;
  const factors =
    optimiser === 'adafactor'
      ? (4 * sum(matrices(model).map(([rows, columns]) => rows + columns))) / layerParameters(model)
      : 0;
  return layers * (matrix + factors) + (1 - layers) * other;
}

/** Muon makes each matrix orthogonal by five Newton–Schulz rounds of three products. */
export function orthogonalSeconds(device: DeviceProfile, model: ModelShape): number {
  return sum(
    matrices(model).map(([inputs, outputs]) => {
      const [short, long] = [Math.min(inputs, outputs), Math.max(inputs, outputs)];
      const square = { rows: short, columns: short };
      return (
        5 *
        (matmulSeconds(device, { ...square, depth: long }) +
          matmulSeconds(device, { ...square, depth: short }) +
          matmulSeconds(device, { rows: short, columns: long, depth: short }))
      );
    }),
  );
}

function matrices(model: ModelShape): readonly (readonly [number, number])[] {
  const mlps = Array.from({ length: model.experts?.count ?? 1 }, () => mlpMatrices(model)).flat();
  return [...attentionMatrices(model), ...mlps].map(([inputs, outputs]) => [inputs, outputs]);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
