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
import type { OnnxExternalData } from '@gantry/formats/onnx';
import { tokenizerFromJson, type Tokenizer } from '@gantry/training/tokenizer';
import { EngineError } from '../engine-error.ts';
import type { TemplateText } from '../templates/model-template.ts';
import { readChatTemplate } from './chat-template.ts';
import { endTokensOf } from './end-tokens.ts';
import type { DecoderWeights } from './decoder-graph.ts';

const largestHeaderBytes = 1 << 27;
export interface ModelFolder {
  readonly config: LlamaConfig;
  readonly tokenizer: Tokenizer;
  readonly template?: TemplateText;
  readonly endTokens: ReadonlySet<number>;
}

export async function readModelFolder(folder: string): Promise<ModelFolder> {
  return refusing(folder, async () => {
    const json = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(folder, name), 'utf8'));
    const configJson = await json('config.json');
    const config = parseConfigJson(configJson);
    const tokenizer = tokenizerFromJson(await json('tokenizer.json'));
    if (tokenizer.vocabularySize > config.vocabularySize)
      throw new FormatError(
        'format_invalid',
        `The tokenizer has ${tokenizer.vocabularySize} tokens, the model ${config.vocabularySize}.`,
      );
    const template = await readChatTemplate(folder);
    const hasGeneration = (await readdir(folder)).includes('generation_config.json');
    const endTokens = endTokensOf(
      config,
      configJson,
      hasGeneration ? await json('generation_config.json') : undefined,
    );
    return { config, tokenizer, endTokens, ...(template === undefined ? {} : { template }) };
  });
}

/** Where each tensor of the model lies, checked against its files and its configuration; nothing of them is read. */
export async function placeWeights(folder: string, config: LlamaConfig): Promise<DecoderWeights> {
  return refusing(folder, async () => {
    const weights = new Map<string, OnnxExternalData>();
    const wanted = new Map(
      llamaTensors(config).map(({ huggingFaceName, shape }) => [huggingFaceName, shape]),
    );
    for (const location of (await readdir(folder)).filter((name) => name.endsWith('.safetensors'))) {
      for (const { name, dtype, shape, offset, bytes } of await readHeader(join(folder, location))) {
        const expected = wanted.get(name);
        if (expected === undefined) continue;
        if (expected.join() !== shape.join())
          throw new FormatError(
            'format_invalid',
            `${name} is ${shape.join(' x ')}; the configuration says ${expected.join(' x ')}.`,
          );
        const type = externalTypes[dtype];
        if (type === undefined)
          throw new FormatError(
            'format_unsupported',
            `${name} is ${dtype}.`,
            'Weights may be F32, F16 or BF16.',
          );
        weights.set(name, { type, location, offset, bytes });
      }
    }
    const missing = [...wanted.keys()].find((name) => !weights.has(name));
    if (missing !== undefined) throw new FormatError('format_invalid', `No file has ${missing}.`);
    return weights;
  });
}

const externalTypes: Readonly<Partial<Record<string, OnnxExternalData['type']>>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

async function readHeader(path: string): Promise<readonly SafetensorPlace[]> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const start = new Uint8Array(8);
  await file.read(start, 0, 8, 0);
  const headerBytes = 8 + Number(new DataView(start.buffer).getBigUint64(0, true));
  const header = new Uint8Array(Math.min(headerBytes, size, largestHeaderBytes));
  await file.read(header, 0, header.byteLength, 0);
  return parseSafetensors(header, size).tensors;
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
