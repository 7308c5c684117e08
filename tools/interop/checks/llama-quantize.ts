/**
 * llama.cpp's own llama-quantize (GANTRY_LLAMA_QUANTIZE names it) makes a GGUF smaller as we do: the same metadata, and
 * the same bytes of every tensor to which both give the same type. Those to which they do not are counted.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { openGguf, quantiseGguf, quantisedTypes } from '../../../packages/conversion/src/index.ts';
import {
  byteCharacters,
  llamaGgufMetadata,
  llamaTensors,
  parseGguf,
  wholeFile,
  writeGguf,
} from '../../../packages/formats/src/index.ts';
import { createRandom } from '../../../packages/kit/src/index.ts';
import type { Check } from '../check.ts';

/** llama.cpp's names where they are not ours. */
const theirNames: Readonly<Record<string, string>> = { Q3_K: 'Q3_K_S', Q4_K: 'Q4_K_S', Q5_K: 'Q5_K_S' };

export const llamaQuantize: Check = async (world) => {
  const program = process.env['GANTRY_LLAMA_QUANTIZE'];
  if (program === undefined) return 'skipped: GANTRY_LLAMA_QUANTIZE names no llama-quantize';
  const source = join(world.dir, 'source.gguf');
  const file = randomLlama();
  await writeFile(source, file);
  const said: string[] = [];
  for (const type of quantisedTypes) {
    const target = join(world.dir, 'theirs.gguf');
    await promisify(execFile)(program, [source, target, theirNames[type] ?? type, '1']);
    const theirs = contentOf(await readFile(target));
    const ours = contentOf(wholeFile(quantiseGguf(openGguf(file), type).file));
    if (!isDeepStrictEqual(ours.metadata, theirs.metadata)) throw new Error(`${type}: other metadata`);
    const others: string[] = [];
    for (const [name, mine] of ours.tensors) {
      const other = theirs.tensors.get(name);
      if (other?.type !== mine.type) others.push(`${name} ${mine.type} for ${other?.type}`);
      else if (!other.bytes.equals(mine.bytes)) throw new Error(`${type}: the bytes of ${name} differ`);
    }
    said.push(others.length === 0 ? type : `${type} (but ${others.join(', ')})`);
  }
  return `the same bytes: ${said.join('; ')}`;
};

function contentOf(file: Uint8Array) {
  const { metadata, tensors } = parseGguf(file);
  const named = tensors.map(({ name, type, offset, bytes }) => {
    const content = { type, bytes: Buffer.from(file.subarray(offset, offset + bytes)) };
    return [name, content] as const;
  });
  return { metadata, tensors: new Map(named) };
}

/** Eighteen layers, so that every rule of the mixes finds some of its own. */
function randomLlama(): Uint8Array {
  const config = {
    vocabularySize: 512,
    width: 256,
    hidden: 256,
    layers: 18,
    heads: 4,
    kvHeads: 1,
    headWidth: 64,
    contextLength: 128,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    tiedEmbeddings: false,
    bosId: 0,
    eosId: 0,
  };
  const random = createRandom(3);
  const tensors = llamaTensors(config).map(({ ggufName: name, shape }) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length }, () => random.next() + random.next() + random.next() - 1.5);
    return { name, shape, type: 'F32' as const, data: new Uint8Array(data.buffer) };
  });
  const others = Array.from({ length: config.vocabularySize - 257 }, (_, index) => `token${index}`);
  const vocabulary = {
    tokens: ['<|endoftext|>', ...byteCharacters, ...others],
    merges: [],
    addedTokens: [{ id: 0, content: '<|endoftext|>', special: true }],
  };
  return writeGguf(llamaGgufMetadata(config, vocabulary, { name: 'random' }), tensors);
}
