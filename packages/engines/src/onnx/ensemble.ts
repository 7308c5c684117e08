/** Models as one: each step runs as soon as what it takes is there, joined with the same step of other requests. */
import { EngineError } from '../engine-error.ts';
import type { InferCall } from '../oip/parse-infer.ts';
import type { WireTensor } from '../oip/wire-tensor.ts';
import { ensembleSignature, type EnsembleSpec, type EnsembleStep } from './ensemble-spec.ts';
import type { TensorModel } from './tensor-model.ts';
import { checkInputs, checkOutputs, type TensorSignature } from './tensor-signature.ts';

export class Ensemble implements TensorModel {
  readonly signature: TensorSignature;
  readonly #spec: EnsembleSpec;
  readonly #models: readonly TensorModel[];
  /** Names that one step takes and no client gets: their bytes go on without a copy. */
  readonly #handedOn: ReadonlySet<string>;

  /** `models`: of each step. */
  constructor(spec: EnsembleSpec, models: readonly TensorModel[]) {
    this.#spec = spec;
    this.#models = models;
    this.#handedOn = handedOn(spec);
    this.signature = ensembleSignature(
      spec,
      models.map(({ signature }) => signature),
    );
  }

  async infer(call: InferCall, signal: AbortSignal): Promise<readonly WireTensor[]> {
    checkInputs(this.signature, { kind: 'none' }, call.inputs);
    checkOutputs(this.signature, call.outputs);
    /** The ensemble's name → when it is there, the tensor. */
    const tensors = new Map<string, Promise<WireTensor>>();
    for (const tensor of call.inputs) tensors.set(tensor.name, Promise.resolve(tensor));
    const waiting = [...this.#spec.steps.entries()];
    while (waiting.length > 0) {
      // There is one: the signature was made from steps that can all run.
      const at = waiting.findIndex(([, step]) =>
        Object.values(step.inputs).every((name) => tensors.has(name)),
      );
      const [[index, step]] = waiting.splice(at, 1) as [[number, EnsembleStep]];
      const outputs = this.#run(index, step, call, tensors, signal);
      for (const [own, name] of Object.entries(step.outputs)) {
        const tensor = outputs.then((all) => {
          const given = all.find((each) => each.name === own) as WireTensor;
          const isOwned = given.isOwned === true && this.#handedOn.has(name);
          return { ...given, name, isOwned };
        });
        // A failure is told by those who wait for it; where nobody does it is the same failure.
        tensor.catch(() => undefined);
        tensors.set(name, tensor);
      }
    }
    const wanted = call.outputs.length > 0 ? call.outputs : this.signature.outputs;
    return Promise.all(wanted.map(({ name }) => tensors.get(name) as Promise<WireTensor>));
  }

  /** Of each model; what counts adds up, so `requests` are those of all steps together. */
  stats(): object {
    const models = [...new Set(this.#models)].map((model) => model.stats() as Record<string, unknown>);
    const sums = Object.fromEntries(
      summed.map((name) => [name, models.reduce((sum, each) => sum + Number(each[name] ?? 0), 0)]),
    );
    const { rows = 0, paddedRows = 0 } = sums;
    return {
      ...sums,
      waste: paddedRows === 0 ? 0 : paddedRows / (rows + paddedRows),
      steps: this.#spec.steps.map(({ model }, at) => ({ model, ...this.#models[at]?.stats() })),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const model of new Set(this.#models)) await model[Symbol.asyncDispose]();
  }

  async #run(
    index: number,
    { model, inputs, outputs }: EnsembleStep,
    call: InferCall,
    tensors: ReadonlyMap<string, Promise<WireTensor>>,
    signal: AbortSignal,
  ): Promise<readonly WireTensor[]> {
    const given = await Promise.all(
      Object.entries(inputs).map(async ([own, name]) => ({
        ...((await tensors.get(name)) as WireTensor),
        name: own,
      })),
    );
    const names = Object.keys(outputs).map((name) => ({ name, isBinary: false }));
    try {
      return await (this.#models[index] as TensorModel).infer(
        { ...call, inputs: given, outputs: names },
        signal,
      );
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw new EngineError(error.code, `${model}: ${error.message}`, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }
}

const summed = [
  'requests',
  'rows',
  'batches',
  'paddedRows',
  'timedOut',
  'refused',
  'queued',
  'running',
  'instances',
] as const;

function handedOn({ steps, outputs }: EnsembleSpec): ReadonlySet<string> {
  const takers = new Map<string, number>(outputs.map((name) => [name, 2]));
  for (const { inputs } of steps)
    for (const name of Object.values(inputs)) takers.set(name, (takers.get(name) ?? 0) + 1);
  return new Set([...takers].flatMap(([name, count]) => (count === 1 ? [name] : [])));
}
