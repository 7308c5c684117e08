/**
 * An ONNX language model that scores text: the graph of Hugging Face's exporters and of our own conversion, `input_ids`
 * in and `logits` out. One that carries keys and values (`past_key_values.i.key|value` → `present.i.key|value`) reads a
 * prompt in pieces, so that the logits of a long one need not lie in memory together; another reads it at once. Its
 * tokenizer and context length lie beside it.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tokenizerFromJson, type Tokenizer } from '@gantry/training/tokenizer';
import { EngineError } from '../engine-error.ts';
import type { TokenLogprob, TokenScore } from '../llm-engine.ts';
import type { WireTensor } from '../oip/wire-tensor.ts';
import { type OnnxInstance, startInstance } from '../onnx/onnx-instance.ts';
import type { TensorInfo } from '../onnx/tensor-signature.ts';
import { alternatives, type ScorerSize, type TextScorer } from './text-scorer.ts';

const pieceTokens = 64;

export async function openOnnxScorer(modelPath: string, size: ScorerSize): Promise<TextScorer> {
  const tokenizer = await readTokenizer(dirname(modelPath));
  const contextTokens = Math.min(size.contextTokens, await readContext(dirname(modelPath)));
  const instance = await startInstance({ modelPath, threads: size.threads, providers: ['cpu'] });
  try {
    return new OnnxScorer(instance, tokenizer, contextTokens);
  } catch (error) {
    await instance[Symbol.asyncDispose]();
    throw error;
  }
}

class OnnxScorer implements TextScorer {
  readonly contextTokens: number;
  readonly bosToken: number | undefined;
  readonly #instance: OnnxInstance;
  readonly #tokenizer: Tokenizer;
  readonly #inputs: readonly TensorInfo[];
  readonly #caches: readonly TensorInfo[];

  constructor(instance: OnnxInstance, tokenizer: Tokenizer, contextTokens: number) {
    const { inputs, outputs } = instance.signature;
    const caches = inputs.filter(({ name }) => isPast(name));
    const others = inputs.filter(({ name }) => !isPast(name) && !Object.hasOwn(tokenInputs, name));
    const given = new Set(outputs.map(({ name }) => name));
    const lacking = ['logits', ...caches.map(({ name }) => presentOf(name))].filter(
      (name) => !given.has(name),
    );
    if (!inputs.some(({ name }) => name === 'input_ids') || others.length > 0 || lacking.length > 0)
      throw new EngineError(
        'unsupported',
        `The ONNX file is no language model that is known here: it ${
          others.length > 0
            ? `also takes ${others.map(({ name }) => name).join(', ')}`
            : `lacks ${lacking.length > 0 ? lacking.join(', ') : 'input_ids'}`
        }.`,
        { hint: 'Text is scored by input_ids → logits; measure other models with rows (.jsonl).' },
      );
    this.contextTokens = contextTokens;
    this.#instance = instance;
    this.#tokenizer = tokenizer;
    this.bosToken = tokenizer.startId;
    this.#inputs = inputs.filter(({ name }) => !isPast(name));
    this.#caches = caches;
  }

  tokenize(text: string): number[] {
    return this.#tokenizer.encode(text);
  }

  async score(prompt: readonly number[], mostScores: number): Promise<readonly TokenScore[]> {
    const scores: TokenScore[] = prompt.slice(0, 1).map((token) => ({ token, logprob: null, top: [] }));
    const length = this.#caches.length > 0 ? pieceTokens : prompt.length;
    let past: readonly WireTensor[] = this.#caches.map(emptyCache);
    for (let from = 0; from < prompt.length; from += length) {
      const piece = prompt.slice(from, from + length);
      const inputs = this.#inputs.map(({ name }) =>
        longs(name, (tokenInputs[name] as (typeof tokenInputs)[string])(piece, from)),
      );
      const names = past.map(({ name }) => presentOf(name));
      const { tensors } = await this.#instance.run([...inputs, ...past], ['logits', ...names]);
      const [logits, ...present] = tensors;
      past = present.map((tensor, at) => ({ ...tensor, name: this.#caches[at]?.name ?? '' }));
      const values = realsOf(logits as WireTensor);
      const width = values.length / piece.length;
      for (const [at] of piece.entries()) {
        const token = prompt[from + at + 1];
        if (token === undefined) break;
        const row = values.subarray(at * width, (at + 1) * width);
        scores.push(scoreOf(token, row, alternatives(width, prompt, mostScores)));
      }
    }
    return scores;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#instance[Symbol.asyncDispose]());
  }
}

/** What each input says of the new tokens of one sequence, of which `past` stand before them. */
const tokenInputs: Readonly<Record<string, (piece: readonly number[], past: number) => readonly number[]>> = {
  input_ids: (piece) => piece,
  attention_mask: (piece, past) => Array.from({ length: past + piece.length }, () => 1),
  position_ids: (piece, past) => piece.map((_, at) => past + at),
};

const isPast = (name: string): boolean => name.startsWith('past_key_values.');
const presentOf = (name: string): string => name.replace('past_key_values', 'present');

const longs = (name: string, values: readonly number[]): WireTensor => ({
  name,
  datatype: 'INT64',
  shape: [1, values.length],
  bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

/** [batch, heads, past, width]: one sequence, of which nothing is past. */
const emptyCache = ({ name, datatype, shape }: TensorInfo): WireTensor => ({
  name,
  datatype,
  shape: [1, shape[1] ?? 1, 0, shape[3] ?? 1],
  bytes: new Uint8Array(),
});

/** In a buffer of their own, so that they lie where a view of them may begin. */
function realsOf({ name, datatype, bytes }: WireTensor): Float32Array {
  const { buffer } = bytes.slice();
  if (datatype === 'FP32') return new Float32Array(buffer);
  if (datatype === 'FP16') return Float32Array.from(new Float16Array(buffer));
  throw new EngineError('unsupported', `${name} is ${datatype}; FP32 and FP16 are scored.`);
}

function scoreOf(token: number, logits: Float32Array, count: number): TokenScore {
  const largest = logits.reduce((most, each) => Math.max(most, each), -Infinity);
  const rest = largest + Math.log(logits.reduce((sum, each) => sum + Math.exp(each - largest), 0));
  const all = Array.from(logits, (logit, id): TokenLogprob => ({ token: id, logprob: logit - rest }));
  const top =
    count >= all.length ? all : all.sort((one, other) => other.logprob - one.logprob).slice(0, count);
  return { token, logprob: (logits[token] ?? Number.NaN) - rest, top };
}

async function readTokenizer(folder: string): Promise<Tokenizer> {
  const text = await readFile(join(folder, 'tokenizer.json'), 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new EngineError('unsupported', 'The ONNX language model has no tokenizer.json beside it.', {
      hint: 'Convert it here from safetensors or GGUF, or import a folder that holds both.',
    });
  return tokenizerFromJson(JSON.parse(text));
}

async function readContext(folder: string): Promise<number> {
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '{}');
  const { max_position_embeddings: positions } = JSON.parse(text) as {
    readonly max_position_embeddings?: number;
  };
  return typeof positions === 'number' && positions > 1 ? positions : Infinity;
}
