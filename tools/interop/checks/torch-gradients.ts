/**
 * torch as oracle: a Hugging Face model in our runtime has transformers' logits; every gradient is within 2e-6 of
 * float64 (largest difference over largest value, a parameter at a time); fifty AdamW steps walk the same way.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSafetensors } from '../../../packages/formats/src/index.ts';
import { createModelExecutor } from '../../../packages/trainer/src/executor/index.ts';
import { toHuggingFaceWeights } from '../../../packages/training/src/model/index.ts';
import { adamWDefaults, adamWUpdate } from '../../../packages/training/src/optimizer/index.ts';
import { type Check, askPeer } from '../check.ts';
import { openOurModel, ourLogits } from '../our-model.ts';

const bars = { logits: 1e-4, gradients: 2e-6, losses: 2e-6, states: 5e-4 } as const;

interface Oracle {
  readonly sequences: number;
  readonly length: number;
  readonly tokens: readonly number[];
  readonly targets: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly losses: readonly number[];
  readonly peer: string;
}

export const torchGradients: Check = async (world) => {
  await askPeer(world, 'llama_oracle.py', { OUT: world.dir });
  const oracle = JSON.parse(await readFile(join(world.dir, 'oracle.json'), 'utf8')) as Oracle;
  const expected = await readTensors(join(world.dir, 'oracle.safetensors'));
  const model = await openOurModel(join(world.dir, 'model'));
  const { layout, parameters, config } = model;

  const logits = await ourLogits(model, oracle.tokens.slice(0, oracle.length));
  const logitError = largest(
    logits.flatMap((row, at) =>
      row.map((value, index) => value - (oracle.logits[at]?.[index] ?? Number.NaN)),
    ),
  );
  const gradients = new Float32Array(layout.length);
  await using executor = await createModelExecutor({
    config,
    sequences: oracle.sequences,
    time: oracle.length,
    kind: 'gradients',
    parameters,
    gradients,
  });
  for (const [index, token] of oracle.tokens.entries()) {
    executor.tokens[index] = BigInt(token);
    executor.targets[index] = BigInt(oracle.targets[index] ?? 0);
    executor.weights[index] = 1 / oracle.tokens.length;
  }
  const worst = (kind: string, values: Float32Array): number =>
    Math.max(
      ...[...toHuggingFaceWeights(layout, values)].map(([name, { data }]) => {
        const peer = expected.get(`${kind}.${name}`);
        if (peer === undefined) throw new Error(`the oracle has no ${kind}.${name}`);
        return largest(data.map((value, index) => value - (peer[index] ?? Number.NaN))) / largest(peer);
      }),
    );

  const state = {
    parameters,
    gradients,
    first: new Float32Array(layout.length),
    second: new Float32Array(layout.length),
  };
  let gradientError = Number.NaN;
  const losses: number[] = [];
  for (let step = 1; step <= oracle.losses.length; step += 1) {
    gradients.fill(0);
    await executor.run();
    if (step === 1) gradientError = worst('gradient', gradients);
    losses.push(executor.loss[0] ?? Number.NaN);
    for (const { offset, length, decays } of layout.parameters)
      adamWUpdate(state, { from: offset, to: offset + length, decays }, adamWDefaults, {
        step,
        learningRate: 1e-3,
        gradientScale: 1,
      });
  }
  const lossError = largest(losses.map((loss, index) => loss / (oracle.losses[index] ?? Number.NaN) - 1));
  const stateError = Math.max(
    worst('parameter', parameters),
    worst('first', state.first),
    worst('second', state.second),
  );
  const found = { logits: logitError, gradients: gradientError, losses: lossError, states: stateError };
  for (const [name, bar] of Object.entries(bars)) {
    const error = found[name as keyof typeof bars];
    if (!(error <= bar))
      throw new Error(`${name} differ by ${error.toExponential(1)}; at most ${bar} is right`);
  }
  const said = Object.entries(found).map(([name, error]) => `${name} ${error.toExponential(1)}`);
  const [first = 0, last = 0] = [losses[0], losses.at(-1)];
  return `${oracle.peer}: largest differences ${said.join(', ')}; ${losses.length} steps, loss ${first.toFixed(3)} → ${last.toFixed(3)}`;
};

async function readTensors(path: string): Promise<Map<string, Float32Array>> {
  const file = await readFile(path);
  return new Map(
    parseSafetensors(file).tensors.map(({ name, offset, bytes }) => [
      name,
      new Float32Array(Uint8Array.from(file.subarray(offset, offset + bytes)).buffer),
    ]),
  );
}

/** NaN when any is NaN, so that it fails every bar. */
function largest(values: Iterable<number>): number {
  let most = 0;
  for (const value of values) {
    if (Number.isNaN(value)) return Number.NaN;
    most = Math.max(most, Math.abs(value));
  }
  return most;
}
