/** ggml's own Python packs and unpacks the same numbers: the same bytes of Q8_0 and Q4_0, the same values of every type. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeValues, encodeValues } from '../../../packages/conversion/src/index.ts';
import { createRandom } from '../../../packages/kit/src/index.ts';
import { type Check, askPeer } from '../check.ts';
import { furtherEnvironment } from '../python-environment.ts';

const types = ['F16', 'BF16', 'Q8_0', 'Q4_0', 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'] as const;
const blocks = 512;

export const ggufBlocks: Check = async (world) => {
  const random = createRandom(9);
  const normal = (): number =>
    Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);
  const values = Float32Array.from(
    { length: 256 * blocks },
    (_, at) => normal() * 10 ** (((at >> 8) % 4) - 2),
  );
  // What rounds to nothing, and what is nothing.
  values.fill(0, 0, 256);
  const bytesOf = (array: Float32Array): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  await writeFile(join(world.dir, 'values.f32'), bytesOf(values));
  for (const type of types) {
    const packed = encodeValues(type, values);
    await writeFile(join(world.dir, type), packed);
    await writeFile(join(world.dir, `${type}.f32`), bytesOf(decodeValues(type, packed)));
  }
  const python = await furtherEnvironment(world.python, { file: 'requirements-exporters.txt', over: true });
  return askPeer({ ...world, python }, 'gguf_blocks.py', { DIR: world.dir });
};
