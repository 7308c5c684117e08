/**
 * `ensemble.json`: models whose outputs are other models' inputs, as one model. Names between the steps are the
 * ensemble's; what no step gives is its input, and `outputs` says what it answers. Pure.
 *
 * ```json
 * { "steps": [
 *     { "model": "tokens.onnx", "inputs": { "text": "question" }, "outputs": { "ids": "ids" } },
 *     { "model": "scores.onnx", "inputs": { "x": "ids" }, "outputs": { "y": "score" } } ],
 *   "outputs": ["score"] }
 * ```
 */
import { EngineError } from '../engine-error.ts';
import type { TensorInfo, TensorSignature } from './tensor-signature.ts';

export interface EnsembleStep {
  /** A file beside `ensemble.json`. */
  readonly model: string;
  /** Of the model → the ensemble's name. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
}

export interface EnsembleSpec {
  readonly steps: readonly EnsembleStep[];
  readonly outputs: readonly string[];
}

const mostSteps = 32;

export function parseEnsemble(text: string): EnsembleSpec {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw bad('it is no JSON');
  }
  const { steps, outputs } = asRecord(json, 'it');
  if (!Array.isArray(steps) || steps.length === 0 || steps.length > mostSteps)
    throw bad(`steps is a list of 1 to ${mostSteps}`);
  const parsed = steps.map((value: unknown, at): EnsembleStep => {
    const step = asRecord(value, `steps.${at}`);
    const { model } = step;
    if (typeof model !== 'string' || !/^[\w.-]+(\/[\w.-]+)*\.onnx$/.test(model) || model.includes('..'))
      throw bad(`steps.${at}.model is an .onnx file beside ensemble.json`);
    return {
      model,
      inputs: namesOf(step['inputs'], `steps.${at}.inputs`),
      outputs: namesOf(step['outputs'], `steps.${at}.outputs`),
    };
  });
  if (!Array.isArray(outputs) || outputs.length === 0 || !outputs.every((name) => typeof name === 'string'))
    throw bad('outputs is a list of names');
  return { steps: parsed, outputs };
}

/** What the ensemble takes and gives. Throws when names do not fit, types differ or a step waits for itself. */
export function ensembleSignature(
  { steps, outputs }: EnsembleSpec,
  signatures: readonly TensorSignature[],
): TensorSignature {
  const made = new Map<string, TensorInfo>();
  for (const [at, step] of steps.entries()) {
    for (const [own, name] of Object.entries(step.outputs)) {
      if (made.has(name)) throw bad(`two steps give "${name}"`);
      made.set(name, { ...infoOf(signatures[at]?.outputs, own, step), name });
    }
  }
  const inputs = new Map<string, TensorInfo>();
  for (const [at, step] of steps.entries()) {
    for (const { name } of signatures[at]?.inputs ?? [])
      if (!Object.hasOwn(step.inputs, name)) throw bad(`the input "${name}" of ${step.model} is not given`);
    for (const [own, name] of Object.entries(step.inputs)) {
      const wanted = infoOf(signatures[at]?.inputs, own, step);
      const given = made.get(name) ?? inputs.get(name);
      if (given === undefined) inputs.set(name, { ...wanted, name });
      else if (given.datatype !== wanted.datatype || !canBe(given.shape, wanted.shape))
        throw bad(
          `"${name}" is ${given.datatype} [${given.shape.join(', ')}], ${step.model} takes ${wanted.datatype} [${wanted.shape.join(', ')}]`,
        );
    }
  }
  const waiting = new Set(steps);
  const known = new Set(inputs.keys());
  for (let found = true; found;) {
    found = false;
    for (const step of waiting) {
      if (!Object.values(step.inputs).every((name) => known.has(name))) continue;
      for (const name of Object.values(step.outputs)) known.add(name);
      waiting.delete(step);
      found = true;
    }
  }
  if (waiting.size > 0) throw bad(`${[...waiting].map(({ model }) => model).join(', ')} wait for each other`);
  return {
    inputs: [...inputs.values()],
    outputs: outputs.map((name) => {
      const info = made.get(name);
      if (info === undefined) throw bad(`no step gives "${name}"`);
      return info;
    }),
  };
}

function infoOf(infos: readonly TensorInfo[] | undefined, name: string, { model }: EnsembleStep): TensorInfo {
  const info = infos?.find((each) => each.name === name);
  if (info === undefined) throw bad(`${model} has no "${name}"`);
  return info;
}

const canBe = (one: readonly number[], other: readonly number[]): boolean =>
  one.length === other.length &&
  one.every((size, axis) => size === -1 || other[axis] === -1 || size === other[axis]);

function namesOf(value: unknown, what: string): Readonly<Record<string, string>> {
  const names = asRecord(value, what);
  for (const name of Object.values(names))
    if (typeof name !== 'string') throw bad(`${what} maps names to names`);
  return names as Record<string, string>;
}

function asRecord(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw bad(`${what} is not an object`);
}

function bad(what: string): EngineError {
  return new EngineError('model_invalid', `The ensemble cannot be served: ${what}.`, {
    hint: 'See docs/serving.md, "Ensembles".',
  });
}
