/** A model folder in Hugging Face's layout, read with our own bounded readers: configuration, tokenizer, weights. */
import { open, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  FormatError,
  llamaTensors,
  parseConfigJson,
  parseSafetensors,
  type LlamaConfig,
  type SafetensorPlace,
} from '@gantry/formats';
import { tokenizerFromJson, type Tokenizer } from '@gantry/training/tokenizer';
import { EngineError } from '../engine-error.ts';
import type { DecoderWeights } from './decoder-graph.ts';

const largestHeaderBytes = 1 << 27;
/** An ONNX model in memory is one protobuf message, which ends at 2 GiB. */
const mostWeightBytes = 2_000_000_000;

export interface ModelFolder {
  readonly config: LlamaConfig;
  readonly tokenizer: Tokenizer;
}

export async function readModelFolder(folder: string): Promise<ModelFolder> {
  return refusing(folder, async () => {
    const json = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(folder, name), 'utf8'));
    const config = parseConfigJson(await json('config.json'));
    const tokenizer = tokenizerFromJson(await json('tokenizer.json'));
    if (tokenizer.vocabularySize > config.vocabularySize)
      throw new FormatError(
        'format_invalid',
        `The tokenizer has ${tokenizer.vocabularySize} tokens, the model ${config.vocabularySize}.`,
      );
    const bytes = llamaTensors(config).reduce(
      (sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1),
      0,
    );
    if (bytes > mostWeightBytes)
      throw new FormatError(
        'format_unsupported',
        `The weights take ${bytes} bytes; the paged engine holds ${mostWeightBytes}.`,
        'Serve it as GGUF: gantry model convert.',
      );
    return { config, tokenizer };
  });
}

export async function readWeights(folder: string, config: LlamaConfig): Promise<DecoderWeights> {
  return refusing(folder, async () => {
    const weights = new Map<string, Float32Array>();
    const wanted = new Map(
      llamaTensors(config).map(({ huggingFaceName, shape }) => [huggingFaceName, shape]),
    );
    for (const name of (await readdir(folder)).filter((name) => name.endsWith('.safetensors'))) {
      await using file = await open(join(folder, name), 'r');
      const { size } = await file.stat();
      const start = new Uint8Array(8);
      await file.read(start, 0, 8, 0);
      const headerBytes = 8 + Number(new DataView(start.buffer).getBigUint64(0, true));
      const header = new Uint8Array(Math.min(headerBytes, size, largestHeaderBytes));
      await file.read(header, 0, header.byteLength, 0);
      for (const place of parseSafetensors(header, size).tensors) {
        const shape = wanted.get(place.name);
        if (shape === undefined) continue;
        if (shape.join() !== place.shape.join())
          throw new FormatError(
            'format_invalid',
            `${place.name} is ${place.shape.join(' x ')}; the configuration says ${shape.join(' x ')}.`,
          );
        const bytes = new Uint8Array(place.bytes);
        const { bytesRead } = await file.read(bytes, 0, place.bytes, place.offset);
        if (bytesRead !== place.bytes)
          throw new FormatError('format_truncated', `${name} ends within ${place.name}.`);
        weights.set(place.name, toFloats(bytes, place));
      }
    }
    const missing = [...wanted.keys()].find((name) => !weights.has(name));
    if (missing !== undefined) throw new FormatError('format_invalid', `No file has ${missing}.`);
    return weights;
  });
}

function toFloats(bytes: Uint8Array, { name, dtype }: SafetensorPlace): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes.buffer);
  const halves = new Uint16Array(bytes.buffer);
  // The upper half of a float32.
  if (dtype === 'BF16') return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
  if (dtype === 'F16') return Float32Array.from(new Float16Array(bytes.buffer));
  throw new FormatError('format_unsupported', `${name} is ${dtype}.`, 'Weights may be F32, F16 or BF16.');
}

async function refusing<T>(folder: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'It cannot be read.';
    throw new EngineError('model_invalid', `The model in ${folder} cannot be loaded: ${reason}`, {
      hint:
        (cause instanceof FormatError ? cause.hint : undefined) ??
        'Give a folder with config.json, tokenizer.json and model.safetensors.',
      cause,
    });
  }
}
