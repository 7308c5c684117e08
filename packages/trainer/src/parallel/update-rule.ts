/** How a shard's parameters follow its gradients, by the name of the optimiser. */
import {
  adamWDefaults,
  muonLength,
  orthogonalGraph,
  sgdUpdate,
  type AdamWSettings,
  type AdamWStep,
} from '@gantry/training/optimizer';
import { isLayerMatrix, isOfLayer, type StageUnit } from '@gantry/training/parallel';
import { createExecutor, type Executor } from '../executor/index.ts';
import { updateOffloaded } from '../offload/index.ts';
import { AdafactorRule } from './adafactor-rule.ts';
import type { ModelShard } from './model-shard.ts';
import type { OptimizerState, ShardPiece } from './shard-options.ts';

export type OptimizerName = 'adamw' | 'sgd' | 'muon' | 'adafactor';

export interface OptimizerOptions {
  readonly name: OptimizerName;
  readonly momentum: number;
  readonly weightDecay: number;
}

/** What is kept beside the parameters, and so in checkpoints. */
export const stateOf: Readonly<Record<OptimizerName, OptimizerState>> = {
  adamw: 'first and second',
  sgd: 'first',
  muon: 'first, and second beside matrices',
  adafactor: 'factors',
};

export interface UpdateRule extends AsyncDisposable {
  apply(step: AdamWStep): Promise<void>;
}

export function openUpdateRule(shard: ModelShard, options: OptimizerOptions): UpdateRule {
  const settings: AdamWSettings = { ...adamWDefaults, weightDecay: options.weightDecay };
  const nothingToClose = async (): Promise<void> => {};
  const rules: Readonly<Record<OptimizerName, () => UpdateRule>> = {
    adamw: () => ({
      apply: async (step) => {
        const { offloaded } = shard;
        if (offloaded !== undefined)
          return updateOffloaded(shard, offloaded, ({ second, ...piece }, decays) => {
            if (second !== undefined) shard.arena.adamW({ ...piece, second }, decays, settings, step);
          });
        shard.eachOwnPiece((piece) => adamW(shard, piece, settings, step));
        await Promise.resolve();
      },
      [Symbol.asyncDispose]: nothingToClose,
    }),
    sgd: () => ({
      apply: async (step) => {
        const { offloaded } = shard;
        if (offloaded !== undefined)
          return updateOffloaded(shard, offloaded, ({ first: momentum, ...piece }, decays) =>
            sgdUpdate({ ...piece, momentum }, decays, options, step),
          );
        shard.eachOwnPiece(({ parameter, view }) => {
          const state = {
            parameters: view(shard.parameters),
            gradients: view(shard.gradients),
            momentum: view(shard.first),
          };
          sgdUpdate(state, parameter.global.decays, options, step);
        });
        await Promise.resolve();
      },
      [Symbol.asyncDispose]: nothingToClose,
    }),
    muon: () => new MuonRule(shard, options, settings),
    adafactor: () => {
      const rule = new AdafactorRule(shard, options.weightDecay);
      return { apply: (step) => rule.apply(step), [Symbol.asyncDispose]: nothingToClose };
    },
  };
  return rules[options.name]();
}

function adamW(
  shard: ModelShard,
  { parameter, view }: ShardPiece,
  settings: AdamWSettings,
  step: AdamWStep,
): void {
  const state = {
    parameters: view(shard.parameters),
    gradients: view(shard.gradients),
    first: view(shard.first),
    second: view(shard.second),
  };
  shard.arena.adamW(state, parameter.global.decays, settings, step);
}

interface Orthogonaliser {
  readonly executor: Executor;
  readonly input: Float32Array;
  readonly output: Float32Array;
}

/** A matrix is made orthogonal whole: under ZeRO its owners' parts come together first, a layer at a time. */
class MuonRule implements UpdateRule {
  readonly #shard: ModelShard;
  readonly #options: OptimizerOptions;
  readonly #settings: AdamWSettings;
  readonly #byShape = new Map<string, Promise<Orthogonaliser>>();
  readonly #directions: Float32Array;

  constructor(shard: ModelShard, options: OptimizerOptions, settings: AdamWSettings) {
    this.#shard = shard;
    this.#options = options;
    this.#settings = settings;
    const layers = shard.layout.units.map((unit) => (isOfLayer(unit) ? unit.to - unit.from : 0));
    this.#directions = shard.arena.floats(Math.max(...layers));
  }

  async apply(step: AdamWStep): Promise<void> {
    const shard = this.#shard;
    shard.eachOwnPiece((piece) => {
      if (!isLayerMatrix(piece.unit, piece.parameter)) adamW(shard, piece, this.#settings, step);
    });
    for (const unit of shard.layout.units) if (isOfLayer(unit)) await this.#moveLayer(unit, step);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#byShape.values()) await (await one).executor[Symbol.asyncDispose]();
  }

  async #moveLayer(unit: StageUnit, { learningRate, gradientScale }: AdamWStep): Promise<void> {
    const shard = this.#shard;
    const { momentum, weightDecay } = this.#options;
    shard.eachOwnPiece((piece) => {
      if (piece.unit !== unit || !isLayerMatrix(unit, piece.parameter)) return;
      const gradients = piece.view(shard.gradients);
      const first = piece.view(shard.first);
      const from = piece.from - unit.from;
      for (let index = 0; index < gradients.length; index += 1) {
        const gradient = (gradients[index] as number) * gradientScale;
        const moved = momentum * (first[index] as number) + gradient;
        first[index] = moved;
        // Nesterov: a look one step ahead.
        this.#directions[from + index] = gradient + momentum * moved;
      }
    });
    await shard.gatherOwned(unit, this.#directions);
    for (const parameter of unit.parameters) {
      if (!isLayerMatrix(unit, parameter)) continue;
      const [rows, columns] = parameter.shape as readonly [number, number];
      const { executor, input, output } = await this.#orthogonaliser(rows, columns);
      const at = parameter.offset - unit.from;
      input.set(this.#directions.subarray(at, at + parameter.length));
      await executor.run();
      const rate = learningRate * muonLength(rows, columns);
      const keep = 1 - learningRate * weightDecay;
      shard.eachOwnPiece((piece) => {
        if (piece.parameter !== parameter) return;
        const values = piece.view(shard.parameters);
        const from = piece.from - parameter.offset;
        for (let index = 0; index < values.length; index += 1)
          values[index] = (values[index] as number) * keep - rate * (output[from + index] as number);
      });
    }
  }

  #orthogonaliser(rows: number, columns: number): Promise<Orthogonaliser> {
    const key = `${rows}×${columns}`;
    const known = this.#byShape.get(key) ?? this.#open(rows, columns);
    this.#byShape.set(key, known);
    return known;
  }

  async #open(rows: number, columns: number): Promise<Orthogonaliser> {
    const graph = orthogonalGraph(rows, columns);
    const { arena } = this.#shard;
    const [input, output] = [arena.floats(rows * columns), arena.floats(rows * columns)];
    const shape = [rows, columns];
    const executor = await createExecutor({
      model: (prefix) => graph.model(prefix),
      inputs: new Map([[graph.input, { shape, data: input }]]),
      outputs: new Map([[graph.output, { shape, data: output }]]),
    });
    return { executor, input, output };
  }
}
