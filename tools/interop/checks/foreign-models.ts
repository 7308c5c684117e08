/**
 * PyTorch, TensorFlow and JAX models, made by those themselves, become ONNX in our sandbox, and our engine computes with
 * them what they did. One file is an attack: whatever it does when it is read stays inside.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startInstance } from '../../../packages/engines/src/onnx/onnx-instance.ts';
import { type Check, type World, askPeer } from '../check.ts';
import { furtherEnvironment } from '../python-environment.ts';

/** What the peer says of each model that it wrote. */
interface Written {
  readonly path: string;
  readonly shape: readonly number[];
  readonly inputs: readonly object[];
  readonly x: readonly number[];
  readonly y: readonly number[];
}

const bar = 1e-5;
const worker = join(import.meta.dirname, '../../../apps/worker/src/main.ts');

export const foreignModels: Check = async (world) => {
  const exporters = await furtherEnvironment(world.python, {
    file: 'requirements-exporters.txt',
    over: true,
  });
  const tensorflow = await furtherEnvironment(world.python, { file: 'requirements-tensorflow.txt' });
  const lines: string[] = [];
  for (const [script, python] of [
    ['foreign_torch.py', exporters],
    ['foreign_tensorflow.py', tensorflow],
  ] as const) {
    const said = await askPeer({ ...world, python }, script, { DIR: world.dir, CUDA_VISIBLE_DEVICES: '' });
    const models = JSON.parse(
      await readFile(join(world.dir, `${script}.json`), 'utf8'),
    ) as readonly Written[];
    let worst = 0;
    for (const model of models) {
      await convert(world, python, model.path, model.inputs);
      worst = Math.max(worst, await distance(model));
    }
    if (!(worst <= bar)) throw new Error(`${script}: our engine is ${worst} off`);
    lines.push(`${models.length} of ${said} within ${worst.toExponential(1)}`);
  }
  await attack(world, exporters);
  return `${lines.join('; ')}; a pickle that runs commands wrote and reached nothing`;
};

async function convert(
  { dir }: World,
  interpreter: string,
  path: string,
  inputs: readonly object[],
): Promise<void> {
  const specFile = join(dir, 'spec.json');
  const convert = { path, format: 'onnx', python: { interpreter, opset: 18, inputs } };
  await writeFile(specFile, JSON.stringify({ convert, to: `${path}.onnx` }));
  await promisify(execFile)(process.execPath, [worker, 'convert'], {
    env: { ...process.env, GANTRY_SPEC_FILE: specFile },
    maxBuffer: 2 ** 26,
  });
}

/** The largest, of the answer's largest. */
async function distance({ path, shape, x, y }: Written): Promise<number> {
  await using instance = await startInstance({ modelPath: `${path}.onnx`, threads: 1, providers: ['cpu'] });
  const [input] = instance.signature.inputs;
  const [output] = instance.signature.outputs;
  const bytes = new Uint8Array(Float32Array.from(x).buffer);
  const { tensors } = await instance.run(
    [{ name: input?.name ?? '', datatype: 'FP32', shape, bytes }],
    [output?.name ?? ''],
  );
  const ours = new Float32Array(tensors[0]?.bytes.slice().buffer ?? new ArrayBuffer());
  if (ours.length !== y.length) return Infinity;
  const largest = Math.max(...y.map(Math.abs));
  return Math.max(...ours.map((value, at) => Math.abs(value - (y[at] as number)))) / largest;
}

async function attack(world: World, python: string): Promise<void> {
  const [path, trace] = [join(world.dir, 'attack.pt'), join(world.dir, 'attack-was-here')];
  await askPeer({ ...world, python }, 'foreign_attack.py', { PATH_TO_WRITE: path, TRACE: trace });
  const failed = await convert(world, python, path, []).then(
    () => 'was taken for a model',
    (error: { readonly stderr?: string }) => error.stderr ?? '',
  );
  if (existsSync(trace)) throw new Error('the attack wrote outside of the sandbox');
  if (!failed.includes('holds a int')) throw new Error(`the attack's file ${failed}`);
}
