/**
 * Every form that our trainer registers becomes ONNX with keys and values, and foretells what llama.cpp does with its
 * GGUF; and its safetensors and its GGUF become each other, byte for byte.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkpointToGguf,
  checkpointToOnnx,
  ggufPieces,
  ggufToCheckpoint,
  quantiseOnnx,
} from '@gantry/conversion';
import { evaluateText } from '@gantry/engines/evaluation';
import { parseGguf, wholeFile } from '@gantry/formats';
import { createRandom } from '@gantry/kit';
import { exportModel } from '@gantry/trainer/export';
import { fromLlama, parameterLayout, type TransformerConfig } from '@gantry/training/model';
import { trainBpe } from '@gantry/training/tokenizer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertSource, wishOf } from './convert-source.ts';
import { fileBytes } from './file-bytes.ts';
import { findModel } from './model-source.ts';
import { sizeOf, writeMade } from './write-files.ts';

const text = 'the cat sat on the mat. '.repeat(9);
const tokenizer = trainBpe([text], { vocabularySize: 264 });
const llama = fromLlama({
  vocabularySize: tokenizer.vocabularySize,
  width: 64,
  hidden: 96,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headWidth: 16,
  contextLength: 256,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: true,
  bosId: 0,
  eosId: 0,
});
const forms: Readonly<Record<string, TransformerConfig>> = {
  llama,
  'gpt-2': {
    ...llama,
    kvHeads: 4,
    norm: 'layer',
    positions: 'learned',
    activation: 'gelu',
    hasBiases: true,
  },
  mixtral: { ...llama, tiedEmbeddings: false, experts: { count: 5, top: 2, capacityFactor: 2, balance: 0 } },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-forms-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const measure = (onnx: string, gguf: string) =>
  evaluateText({
    candidate: { modelPath: onnx, decoder: 'onnx' },
    source: { modelPath: gguf, decoder: 'llama.cpp' },
    text,
    window: text.length,
    threads: 1,
  });

describe.each(Object.entries(forms))('%s', (name, config) => {
  let trained: string;
  beforeAll(async () => {
    trained = join(folder, name);
    const random = createRandom(7);
    const weights = new Map(
      parameterLayout(config).parameters.map(({ name: each, shape, isTurned, start }) => {
        const data = Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () =>
          'all' in start ? start.all + random.next() * 0.2 : (random.next() - 0.5) * 0.5,
        );
        const own = isTurned ? shape.toReversed() : shape;
        return [each, { shape: each.endsWith('bias') ? [data.length] : own, data }] as const;
      }),
    );
    await exportModel({ weights, config, tokenizer, outDir: trained });
  });

  it('is the same model in ONNX, whole or with its weights in a file beside', async () => {
    const source = await findModel(trained);
    const made = await convertSource(source, wishOf({ format: 'onnx' } as never, source));
    const whole = join(folder, `${name}-whole`);
    const {
      files: [main],
      beside = [],
    } = made;
    for (const file of [main, ...beside]) if (file !== undefined) await writeMade(whole, file);

    const apart = join(folder, `${name}-apart`);
    const safetensors = [fileBytes(join(trained, 'model.safetensors'))];
    const config = JSON.parse(await readFile(join(trained, 'config.json'), 'utf8')) as unknown;
    const { file, data } = checkpointToOnnx({ safetensors, config }, 'model.onnx.data', 0);
    expect(file.byteLength).toBeLessThan((data?.bytes ?? 0) / 4);
    const pieces = [
      { name: 'model.onnx', bytes: file },
      data ?? expect.fail('nothing lies apart'),
      ...beside,
    ];
    for (const piece of pieces) await writeMade(apart, piece);

    for (const place of [whole, apart]) {
      const { comparison } = await measure(join(place, 'model.onnx'), join(trained, 'model.gguf'));
      expect(comparison).toMatchObject({ topAgreement: 1 });
      // llama.cpp keeps keys and values in half precision, and multiplies them so in wide passes.
      expect(Math.abs(comparison?.meanKl ?? Infinity)).toBeLessThan(1e-5);
    }
  });

  it('goes from safetensors to the GGUF that the trainer wrote, and back', async () => {
    const json = async (file: string): Promise<unknown> =>
      JSON.parse(await readFile(join(trained, file), 'utf8'));
    const theirs = await readFile(join(trained, 'model.gguf'));
    const checkpoint = {
      safetensors: [fileBytes(join(trained, 'model.safetensors'))],
      config: await json('config.json'),
      tokenizer: await json('tokenizer.json'),
      name: 'gantry',
    };
    const ours = wholeFile(ggufPieces(checkpointToGguf(checkpoint)));
    const content = (file: Uint8Array) => {
      const { metadata, tensors } = parseGguf(file);
      const bytes = tensors.map(({ name, offset, bytes: length }): [string, Buffer] => [
        name,
        Buffer.from(file.subarray(offset, offset + length)),
      ]);
      return { metadata, tensors: new Map(bytes) };
    };
    expect(content(ours)).toEqual(content(theirs));

    const back = ggufToCheckpoint(fileBytes(join(trained, 'model.gguf')));
    expect(back.config).toMatchObject({ model_type: checkpointType(checkpoint.config) });
    const again = { ...checkpoint, ...back, safetensors: [wholeFile(back.safetensors)] };
    expect(content(wholeFile(ggufPieces(checkpointToGguf(again))))).toEqual(content(theirs));
  });

  it('is made smaller from either alike', async () => {
    const smaller = async (place: string): Promise<unknown> => {
      const source = await findModel(join(folder, place));
      const { files, bytesBefore, tensors } = await convertSource(
        source,
        wishOf({ type: 'int8' } as never, source),
      );
      expect(bytesBefore).toBeGreaterThan(1.5 * sizeOf(files[0] ?? expect.fail('nothing was made')));
      return tensors;
    };
    expect(await smaller(`${name}-apart`)).toEqual(await smaller(`${name}-whole`));
  });

  it('keeps near with matrices of eight bits', async () => {
    const small = join(folder, `${name}-whole-int8`);
    await mkdir(small);
    const { file } = quantiseOnnx(await readFile(join(folder, `${name}-whole`, 'model.onnx')));
    await writeMade(small, { name: 'model.onnx', bytes: file });
    const tokenizerJson = await readFile(join(trained, 'tokenizer.json'));
    await writeMade(small, { name: 'tokenizer.json', bytes: tokenizerJson });
    const { comparison } = await measure(join(small, 'model.onnx'), join(trained, 'model.gguf'));
    expect(comparison?.meanKl).toBeLessThan(0.05);
  });
});

const checkpointType = (config: unknown): unknown => (config as { readonly model_type: unknown }).model_type;
