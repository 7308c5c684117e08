/**
 * A language model whose greedy answer is known for every prompt: a real Llama-architecture GGUF, made by
 * our own writer, in which the likeliest token after v is always next(v). The output row of next(v) is the
 * embedding row of v; the layers add a little, so that probabilities still depend on the whole context.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  byteCharacters,
  llamaGgufMetadata,
  llamaTensors,
  toConfigJson,
  toHalvedRotary,
  toTokenizerJson,
  writeGguf,
  writeSafetensors,
  type BpeVocabulary,
  type GgufValue,
  type LlamaConfig,
  type LlamaTensor,
} from '@gantry/formats';
import { createRandom } from '@gantry/kit';

export interface PermutationModelOptions {
  readonly contextTokens?: number;
  readonly layers?: number;
  readonly width?: number;
  readonly chatTemplate?: string;
  readonly seed?: number;
  /** Its tokenizer puts the end of text before a text, as if that were its start token. */
  readonly isStarted?: boolean;
}

/** Every printable character follows another in this cycle; the last of it is followed by the end of text. */
export const cycle = 'the quick brown fox jumps over a lazy dog'
  .split('')
  .filter((character, index, all) => all.indexOf(character) === index)
  .join('')
  .concat('ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.');

/** What the model answers to a text that ends in `last`, up to the end of text. */
export function answerAfter(last: string): string {
  const at = cycle.indexOf(last);
  if (at === -1) throw new RangeError(`${JSON.stringify(last)} is not in the cycle`);
  return cycle.slice(at + 1);
}

/** The model as a GGUF file. */
export async function writePermutationModel(
  path: string,
  options: PermutationModelOptions = {},
): Promise<void> {
  const { config, vocabulary, weights } = permutationModel(options);
  const tensors = weights.map(({ tensor, data }) => ({
    name: tensor.ggufName,
    shape: tensor.shape,
    type: 'F32' as const,
    data: new Uint8Array(data.buffer),
  }));
  const metadata = llamaGgufMetadata(config, vocabulary, {
    name: 'permutation',
    ...(options.chatTemplate === undefined ? {} : { chatTemplate: options.chatTemplate }),
  });
  await writeFile(path, writeGguf(metadata, tensors));
}

/**
 * A LoRA adapter of that model, as GGUF: with it the likeliest token after v is next(next(v)), and the end of text
 * where the cycle has none. What it changes of the output head has the width's rank at most, so it is exact.
 */
export async function writeSkippingAdapter(
  path: string,
  options: PermutationModelOptions = {},
): Promise<void> {
  const { config, weights, next } = permutationModel(options);
  const { width, vocabularySize } = config;
  const dataOf = (name: string): Float32Array =>
    weights.find(({ tensor }) => tensor.ggufName === name)?.data ?? new Float32Array();
  const [embedding, output] = [dataOf('token_embd.weight'), dataOf('output.weight')];
  const wanted = new Float32Array(output.length);
  for (const [from, to] of next) {
    // The end of text follows the last two.
    const row = (next.get(to) ?? 0) * width;
    for (let at = 0; at < width; at++)
      wanted[row + at] = (wanted[row + at] as number) + (embedding[from * width + at] as number);
  }
  const change = wanted.map((value, at) => value - (output[at] as number));
  const identity = Float32Array.from({ length: width * width }, (_, at) => (at % (width + 1) === 0 ? 1 : 0));
  await writeAdapter(path, width, [
    ['output.weight.lora_a', [width, width], identity],
    ['output.weight.lora_b', [vocabularySize, width], change],
  ]);
}

/** A LoRA of rank 3 that changes every matrix but the embedding a little, by chance. */
export async function writeNoisyAdapter(path: string, options: PermutationModelOptions = {}): Promise<void> {
  const random = createRandom(11);
  const rank = 3;
  const noise = (length: number): Float32Array =>
    Float32Array.from({ length }, () => (random.next() - 0.5) * 0.6);
  const factors = permutationModel(options).weights.flatMap(({ tensor: { ggufName, shape } }): Factor[] => {
    const [rows = 1, columns] = shape;
    if (columns === undefined || ggufName === 'token_embd.weight') return [];
    return [
      [`${ggufName}.lora_a`, [rank, columns], noise(rank * columns)],
      [`${ggufName}.lora_b`, [rows, rank], noise(rows * rank)],
    ];
  });
  await writeAdapter(path, 2 * rank, factors);
}

type Factor = readonly [name: string, shape: readonly number[], values: Float32Array];

/** Divided by the rank, `alpha` is what it scales by. */
async function writeAdapter(path: string, alpha: number, factors: readonly Factor[]): Promise<void> {
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.type', { type: 'string', value: 'adapter' }],
    ['adapter.type', { type: 'string', value: 'lora' }],
    ['adapter.lora.alpha', { type: 'f32', value: alpha }],
  ]);
  const tensors = factors.map(([name, shape, values]) => ({
    name,
    shape,
    type: 'F32' as const,
    data: new Uint8Array(values.buffer),
  }));
  await writeFile(path, writeGguf(metadata, tensors));
}

/** What the model with the skipping adapter answers to a text that ends in `last`. */
export function skippingAnswerAfter(last: string): string {
  return answerAfter(last)
    .split('')
    .filter((_, index) => index % 2 === 1)
    .join('');
}

/** The same model in Hugging Face's layout. */
export async function writePermutationFolder(
  folder: string,
  options: PermutationModelOptions = {},
): Promise<void> {
  const { config, vocabulary, weights } = permutationModel(options);
  const tensors = weights.map(({ tensor, data }) => {
    const { rotaryHeads, shape, huggingFaceName: name } = tensor;
    const rows = rotaryHeads === undefined ? data : toHalvedRotary(data, rotaryHeads, shape[0] as number);
    return { name, shape, dtype: 'F32' as const, data: new Uint8Array(rows.buffer) };
  });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.safetensors'), writeSafetensors(tensors));
  await writeFile(join(folder, 'config.json'), JSON.stringify(toConfigJson(config)));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(toTokenizerJson(vocabulary)));
}

/** The weights are in GGUF's order of rows. */
function permutationModel(options: PermutationModelOptions): {
  readonly config: LlamaConfig;
  readonly vocabulary: BpeVocabulary;
  readonly weights: readonly { readonly tensor: LlamaTensor; readonly data: Float32Array }[];
  readonly next: ReadonlyMap<number, number>;
} {
  const endOfText = '<|endoftext|>';
  const tokens = [endOfText, ...[...byteCharacters].sort()];
  const idOf = (character: string): number =>
    tokens.indexOf(byteCharacters[character.charCodeAt(0)] as string);
  const vocabulary: BpeVocabulary = {
    tokens,
    merges: [],
    addedTokens: [{ id: 0, content: endOfText, special: true }],
    ...(options.isStarted === true ? { startId: 0 } : {}),
  };
  const width = options.width ?? 64;
  const config: LlamaConfig = {
    vocabularySize: tokens.length,
    width,
    hidden: width * 2,
    layers: options.layers ?? 2,
    heads: 4,
    kvHeads: 2,
    headWidth: width / 4,
    contextLength: options.contextTokens ?? 512,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    tiedEmbeddings: false,
    bosId: 0,
    eosId: 0,
  };
  const next = new Map<number, number>();
  for (const [index, character] of cycle.split('').entries()) {
    const follower = cycle[index + 1];
    next.set(idOf(character), follower === undefined ? 0 : idOf(follower));
  }
  const random = createRandom(options.seed ?? 1);
  const embedding = Float32Array.from({ length: tokens.length * width }, () =>
    random.next() < 0.5 ? -1 : 1,
  );
  const output = new Float32Array(embedding.length);
  for (const [from, to] of next) {
    output.set(embedding.subarray(from * width, (from + 1) * width), to * width);
  }
  const fill = (name: string, count: number): Float32Array => {
    if (name === 'token_embd.weight') return embedding;
    if (name === 'output.weight') return output;
    if (name.includes('norm')) return new Float32Array(count).fill(1);
    const scale = name.includes('attn_output') || name.includes('ffn_down') ? 0.05 : 0.3;
    return Float32Array.from({ length: count }, () => (random.next() - 0.5) * scale);
  };
  const weights = llamaTensors(config).map((tensor) => ({
    tensor,
    data: fill(
      tensor.ggufName,
      tensor.shape.reduce((product, size) => product * size, 1),
    ),
  }));
  return { config, vocabulary, weights, next };
}
