/** A Llama-architecture model as ONNX: with its keys and values carried along it foretells what the plain pass does. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointToOnnx } from '@gantry/conversion';
import { type LlamaConfig, llamaTensors, toConfigJson, writeSafetensors } from '@gantry/formats';
import { createRandom } from '@gantry/kit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WireTensor } from '../oip/wire-tensor.ts';
import { referenceLogprobs } from '../testing/reference-llama.ts';
import { type OnnxInstance, startInstance } from './onnx-instance.ts';

const config: LlamaConfig = {
  vocabularySize: 50,
  width: 32,
  hidden: 48,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headWidth: 8,
  contextLength: 64,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: false,
  bosId: 0,
  eosId: 0,
};
const random = createRandom(5);
const weights = new Map(
  llamaTensors(config).map(({ huggingFaceName, shape }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return [
      huggingFaceName,
      { shape, values: Float32Array.from({ length: count }, () => (random.next() * 2 - 1) * 0.5) },
    ] as const;
  }),
);
const plain = new Map([...weights].map(([name, { values }]) => [name, values]));

let folder: string;
let instance: OnnxInstance;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-llama-onnx-'));
  const safetensors = writeSafetensors(
    [...weights].map(([name, { shape, values }]) => ({
      name,
      dtype: 'F32' as const,
      shape,
      data: new Uint8Array(values.buffer),
    })),
  );
  const modelPath = join(folder, 'model.onnx');
  await writeFile(
    modelPath,
    checkpointToOnnx({ safetensors: [safetensors], config: toConfigJson(config) }, 'model.onnx.data').file,
  );
  instance = await startInstance({ modelPath, threads: 1, providers: ['cpu'] });
});
afterAll(async () => {
  await instance[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const longs = (name: string, rows: readonly (readonly number[])[]): WireTensor => ({
  name,
  datatype: 'INT64',
  shape: [rows.length, rows[0]?.length ?? 0],
  bytes: new Uint8Array(BigInt64Array.from(rows.flat(), BigInt).buffer),
});

const emptyPast = (batch: number): WireTensor[] =>
  ['key', 'value'].flatMap((kind) =>
    Array.from({ length: config.layers }, (_, layer) => ({
      name: `past_key_values.${layer}.${kind}`,
      datatype: 'FP32' as const,
      shape: [batch, config.kvHeads, 0, config.headWidth],
      bytes: new Uint8Array(),
    })),
  );

async function pass(
  ids: readonly (readonly number[])[],
  mask: readonly (readonly number[])[],
  past: readonly WireTensor[],
) {
  const names = past.map(({ name }) => name.replace('past_key_values', 'present'));
  const inputs = [longs('input_ids', ids), longs('attention_mask', mask), ...past];
  const { tensors } = await instance.run(inputs, ['logits', ...names]);
  const [logits, ...present] = tensors as readonly [WireTensor, ...WireTensor[]];
  return {
    logits: new Float32Array(logits.bytes.slice().buffer),
    past: present.map((tensor) => ({ ...tensor, name: tensor.name.replace('present', 'past_key_values') })),
  };
}

/** How far the last row's log probabilities are from the plain pass's. */
function error(logits: Float32Array, tokens: readonly number[], row: number, rows: number): number {
  const each = logits.length / rows;
  const last = logits.subarray((row + 1) * each - config.vocabularySize, (row + 1) * each);
  const rest = Math.log(last.reduce((sum, logit) => sum + Math.exp(logit), 0));
  const wanted = referenceLogprobs(config, plain, tokens);
  return Math.max(...wanted.map((logprob, token) => Math.abs((last[token] as number) - rest - logprob)));
}

const ones = (count: number): number[] => Array.from({ length: count }, () => 1);

it('a prompt in pieces and then token by token, each with the keys and values of what came before', async () => {
  const tokens = [7, 3, 49, 0, 12, 12, 30, 5, 8];
  let { logits, past } = await pass([tokens.slice(0, 4)], [ones(4)], emptyPast(1));
  expect(error(logits, tokens.slice(0, 4), 0, 1)).toBeLessThan(1e-4);
  ({ logits, past } = await pass([tokens.slice(4, 7)], [ones(7)], past));
  expect(error(logits, tokens.slice(0, 7), 0, 1)).toBeLessThan(1e-4);
  for (const length of [8, 9]) {
    ({ logits, past } = await pass([tokens.slice(length - 1, length)], [ones(length)], past));
    expect(error(logits, tokens.slice(0, length), 0, 1)).toBeLessThan(1e-4);
  }
});

it('prompts of different lengths together, the shorter one padded on the left', async () => {
  const [long, short] = [
    [4, 5, 6, 7, 8],
    [9, 1, 2],
  ];
  const ids = [long, [0, 0, ...short]];
  const mask = [ones(5), [0, 0, 1, 1, 1]];
  const { logits, past } = await pass(ids, mask, emptyPast(2));
  expect(error(logits, long, 0, 2)).toBeLessThan(1e-4);
  expect(error(logits, short, 1, 2)).toBeLessThan(1e-4);
  const next = await pass(
    [[11], [22]],
    mask.map((row) => [...row, 1]),
    past,
  );
  expect(error(next.logits, [...long, 11], 0, 2)).toBeLessThan(1e-4);
  expect(error(next.logits, [...short, 22], 1, 2)).toBeLessThan(1e-4);
});
