import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { llamaTensors, parseConfigJson, parseGguf, parseSafetensors, toHalvedRotary } from '@gantry/formats';
import { decodeValues } from '@gantry/conversion';
import { createRandom } from '@gantry/kit';
import { fromLlama } from '@gantry/training/model';
import { tokenizerFromJson, trainBpe } from '@gantry/training/tokenizer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from './index.ts';

const tokenizer = trainBpe(['the cat sat on the mat. '.repeat(9)], { vocabularySize: 264 });
const sizes = {
  vocabularySize: tokenizer.vocabularySize,
  width: 16,
  hidden: 24,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headWidth: 4,
  contextLength: 32,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: true,
  bosId: 0,
  eosId: 0,
};
const config = fromLlama(sizes);
const random = createRandom(3);
const weights = new Map(
  llamaTensors(config).map(({ huggingFaceName, shape }) => [
    huggingFaceName,
    {
      shape,
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.next() - 0.5),
    },
  ]),
);
const floats = (file: Uint8Array, offset: number, bytes: number): Float32Array =>
  new Float32Array(Uint8Array.from(file.subarray(offset, offset + bytes)).buffer);

describe('exportModel', () => {
  let outDir: string;
  let files: Awaited<ReturnType<typeof exportModel>>['files'];
  beforeAll(async () => {
    outDir = await mkdtemp(join(tmpdir(), 'gantry-export-'));
    ({ files } = await exportModel({ weights, config, tokenizer, outDir }));
  });
  afterAll(async () => rm(outDir, { recursive: true, force: true }));

  it('leaves exactly the files it names, with their digests', async () => {
    expect((await readdir(outDir)).sort()).toEqual(files.map(({ path }) => path).sort());
    for (const { path, bytes, digest } of files) {
      const content = await readFile(join(outDir, path));
      expect(content.byteLength).toBe(bytes);
      expect(createHash('sha256').update(content).digest('hex')).toBe(digest);
    }
  });

  it('writes each weight under its Hugging Face name', async () => {
    const file = await readFile(join(outDir, 'model.safetensors'));
    const { tensors } = parseSafetensors(file);
    expect(tensors).toHaveLength(weights.size);
    for (const { name, offset, bytes } of tensors) {
      expect(floats(file, offset, bytes)).toEqual(weights.get(name)?.data);
    }
  });

  it('writes the same weights to GGUF, with q and k in the other rotary order', async () => {
    const file = await readFile(join(outDir, 'model.gguf'));
    const places = new Map(parseGguf(file).tensors.map((place) => [place.name, place]));
    for (const { ggufName, huggingFaceName, rotaryHeads, shape } of llamaTensors(config)) {
      const place = places.get(ggufName);
      const data = floats(file, place?.offset ?? 0, place?.bytes ?? 0);
      const halved = rotaryHeads === undefined ? data : toHalvedRotary(data, rotaryHeads, shape[0] ?? 0);
      expect(halved).toEqual(weights.get(huggingFaceName)?.data);
    }
  });

  it('writes a configuration and a tokenizer that read back', async () => {
    const json = async (path: string): Promise<unknown> =>
      JSON.parse(await readFile(join(outDir, path), 'utf8'));
    expect(parseConfigJson(await json('config.json'))).toEqual(sizes);
    expect(tokenizerFromJson(await json('tokenizer.json')).encode('the mat')).toEqual(
      tokenizer.encode('the mat'),
    );
  });

  it.each([
    ['bf16', 'BF16', 'bfloat16', 32, 2 ** -8],
    ['fp16', 'F16', 'float16', 1, 2 ** -11],
  ] as const)(
    'writes %s: half the bytes, each weight to its rounding',
    async (precision, type, torch, fileType, step) => {
      const halfDir = join(outDir, precision);
      await exportModel({ weights, config, tokenizer, outDir: halfDir, precision });
      const file = await readFile(join(halfDir, 'model.safetensors'));
      for (const { name, dtype, offset, bytes } of parseSafetensors(file).tensors) {
        expect(dtype).toBe(type);
        const written = decodeValues(type, file.subarray(offset, offset + bytes));
        const meant = weights.get(name)?.data as Float32Array;
        for (const [index, value] of meant.entries())
          expect(Math.abs((written[index] as number) - value)).toBeLessThanOrEqual(
            Math.abs(value) * step + 2 ** -25,
          );
      }
      const gguf = parseGguf(await readFile(join(halfDir, 'model.gguf')));
      expect(gguf.metadata.get('general.file_type')).toEqual({ type: 'u32', value: fileType });
      for (const tensor of gguf.tensors)
        expect([tensor.name, tensor.type]).toEqual([tensor.name, tensor.shape.length > 1 ? type : 'F32']);
      expect(JSON.parse(await readFile(join(halfDir, 'config.json'), 'utf8'))).toMatchObject({
        torch_dtype: torch,
      });
    },
  );

  it('refuses weights whose shape is another', async () => {
    const wrong = new Map(weights).set('model.norm.weight', { shape: [15], data: new Float32Array(15) });
    await expect(exportModel({ weights: wrong, config, tokenizer, outDir })).rejects.toThrow(
      /model\.norm\.weight/,
    );
  });
});
