/** A Llama of 1.1 billion random parameters as Hugging Face keeps large ones: bfloat16, shards and an index. */
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  byteCharacters,
  layoutSafetensors,
  llamaTensors,
  toConfigJson,
  toTokenizerJson,
  type LlamaConfig,
} from '../../packages/formats/src/index.ts';
import { createRandom } from '../../packages/kit/src/index.ts';

const config: LlamaConfig = {
  vocabularySize: 32_000,
  width: 2_048,
  hidden: 5_632,
  layers: 22,
  heads: 32,
  kvHeads: 4,
  headWidth: 64,
  contextLength: 2_048,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: false,
  bosId: 0,
  eosId: 0,
};
const shards = 3;
/** bfloat16 of 1. */
const one = 0x3f80;

/** Answers its bytes. */
export async function writeLargeCheckpoint(folder: string): Promise<number> {
  const tensors = llamaTensors(config).map(({ huggingFaceName: name, shape }) => ({
    name,
    shape,
    dtype: 'BF16' as const,
  }));
  const perShard = Math.ceil(tensors.length / shards);
  const places: Record<string, string> = {};
  const nextNormal = normals();
  let total = 0;
  for (let shard = 0; shard < shards; shard += 1) {
    const file = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const own = tensors.slice(shard * perShard, (shard + 1) * perShard);
    const layout = layoutSafetensors(own, { format: 'pt' });
    await using handle = await open(join(folder, file), 'w');
    await handle.write(layout.header, 0, layout.header.byteLength, 0);
    for (const { name, shape, offset, bytes } of layout.tensors) {
      places[name] = file;
      const values = new Uint16Array(bytes / 2);
      if (shape.length === 1) values.fill(one);
      else for (let at = 0; at < values.length; at += 1) values[at] = nextNormal();
      const data = new Uint8Array(values.buffer);
      for (let at = 0; at < bytes;)
        at += (await handle.write(data, at, bytes - at, offset + at)).bytesWritten;
    }
    total += layout.fileBytes;
  }
  const json = (name: string, value: unknown): Promise<void> =>
    writeFile(join(folder, name), JSON.stringify(value));
  await json('model.safetensors.index.json', { metadata: { total_size: total }, weight_map: places });
  await json('config.json', toConfigJson(config));
  const tokens = [
    '<|endoftext|>',
    ...byteCharacters,
    ...Array.from({ length: config.vocabularySize - 257 }, (_, index) => `token${index}`),
  ];
  const addedTokens = [{ id: 0, content: '<|endoftext|>', special: true }];
  await json('tokenizer.json', toTokenizerJson({ tokens, merges: [], addedTokens }));
  return total;
}

/** bfloat16 of nearly normal numbers with a deviation of 0.05, from a table in a random order. */
function normals(): () => number {
  const random = createRandom(5);
  const floats = Float32Array.from(
    { length: 2 ** 14 },
    () => 0.05 * (Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each) - 6),
  );
  const table = Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
  // Marsaglia 2003, "Xorshift RNGs", §3.
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return table[(state >>> 8) & (table.length - 1)] as number;
  };
}
