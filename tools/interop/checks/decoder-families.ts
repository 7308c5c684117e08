/** Checkpoints of transformers' decoder families become ONNX with keys and values; transformers says what is right. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointToOnnx } from '../../../packages/conversion/src/index.ts';
import { type Check, askPeer } from '../check.ts';
import { furtherEnvironment } from '../python-environment.ts';

const families = ['llama', 'mistral', 'qwen2', 'mixtral', 'gpt2'] as const;

export const decoderFamilies: Check = async (world) => {
  const python = await furtherEnvironment(world.python, { file: 'requirements-exporters.txt', over: true });
  const ask = (step: string) =>
    askPeer({ ...world, python }, 'decoder_families.py', { DIR: world.dir, STEP: step });
  await ask('make');
  for (const family of families) {
    const folder = join(world.dir, family);
    const config: unknown = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    const safetensors = [await readFile(join(folder, 'model.safetensors'))];
    const { file } = checkpointToOnnx({ safetensors, config }, `${family}.onnx.data`);
    await writeFile(join(world.dir, `${family}.onnx`), file);
  }
  return ask('judge');
};
