/** Our trainer's model as ONNX with its keys and values: ONNX Runtime's Python decodes with it what transformers says. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointToOnnx } from '../../../packages/conversion/src/index.ts';
import { type Check, askPeer } from '../check.ts';
import { furtherEnvironment } from '../python-environment.ts';

export const llamaOnnx: Check = async (world) => {
  const { modelDir } = await world.platform();
  const safetensors = await readFile(join(modelDir, 'model.safetensors'));
  const config: unknown = JSON.parse(await readFile(join(modelDir, 'config.json'), 'utf8'));
  const onnx = join(world.dir, 'model.onnx');
  await writeFile(onnx, checkpointToOnnx({ safetensors: [safetensors], config }, 'model.onnx.data').file);
  const python = await furtherEnvironment(world.python, { file: 'requirements-exporters.txt', over: true });
  return askPeer({ ...world, python }, 'llama_onnx.py', { MODEL: modelDir, ONNX: onnx });
};
