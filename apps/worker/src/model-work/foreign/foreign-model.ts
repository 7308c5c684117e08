/**
 * PyTorch, TensorFlow and JAX models become ONNX. To read such a file is to run what is in it, so none is ever opened
 * in our own process: a Python behind walls reads it and leaves an ONNX file, which our readers then check.
 */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import type { ConvertSpec } from '@gantry/contract';
import { readOnnxGraph } from '@gantry/formats/onnx';
import type { Converted } from '../convert-source.ts';
import { WorkError } from '../work-error.ts';
import { canSandbox, runSandboxed } from './sandbox.ts';

const extensions = ['.pt', '.pth', '.pt2', '.py', '.keras', '.h5'];

/** By its name, or a TensorFlow SavedModel's folder. */
export async function isForeign(path: string): Promise<boolean> {
  if (extensions.includes(extname(path))) return true;
  const saved = await stat(join(path, 'saved_model.pb')).catch(() => undefined);
  return saved?.isFile() === true;
}

interface Said {
  readonly tool?: string;
  readonly versions?: Readonly<Record<string, string>>;
  readonly missing?: string;
  readonly problem?: string;
  readonly hint?: string;
}

export interface ForeignConversion extends Converted {
  readonly versions: Readonly<Record<string, string>>;
}

/** A whole ONNX file is one protobuf message: at most so long. */
const mostBytes = 2 * 1024 ** 3 - 1;

export async function convertForeign({ path = '', python }: ConvertSpec): Promise<ForeignConversion> {
  const { interpreter, opset, inputs } = python ?? { interpreter: 'python3', opset: 18, inputs: [] };
  const scratch = await mkdtemp(join(process.env['GANTRY_WORKER_DIR'] ?? tmpdir(), 'python-'));
  try {
    if (!canSandbox(scratch))
      throw new WorkError(
        'not_possible',
        'this machine lets us build no walls around a program, and the file would run code',
        'user namespaces must be allowed (kernel.unprivileged_userns_clone, AppArmor); or export to ONNX yourself',
      );
    const to = join(scratch, 'model.onnx');
    const script = join(import.meta.dirname, 'export_to_onnx.py');
    const wish = JSON.stringify({ path: resolve(path), to, opset, inputs });
    const { code, answer } = await runSandboxed(scratch, [interpreter, '-I', script, wish], {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      HOME: scratch,
      TMPDIR: scratch,
      PYTHONDONTWRITEBYTECODE: '1',
      OMP_NUM_THREADS: process.env['OMP_NUM_THREADS'] ?? '1',
      CUDA_VISIBLE_DEVICES: '',
      TF_CPP_MIN_LOG_LEVEL: '2',
    });
    const said = parse(answer);
    if (said.missing !== undefined) throw missing(interpreter, said.missing);
    if (said.problem !== undefined) throw new WorkError('data_invalid', said.problem, said.hint);
    if (said.tool === undefined)
      throw new WorkError(
        code === 127 || code === null ? 'not_possible' : 'data_invalid',
        `${interpreter} ended with ${code ?? 'a signal'} and left no model`,
        'python: {interpreter: PATH} names a Python with torch, onnx and onnxscript; more memory: resources.memory',
      );
    const { size } = await stat(to);
    if (size > mostBytes)
      throw new WorkError('not_possible', `the model is ${size} bytes; an ONNX file holds 2 GiB`);
    const bytes = await readFile(to);
    readOnnxGraph(bytes);
    return {
      files: [{ name: 'model.onnx', bytes }],
      steps: [`export ${said.tool} to onnx`],
      bytesBefore: await bytesOf(path),
      tensors: [],
      versions: said.versions ?? {},
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function bytesOf(path: string): Promise<number> {
  const found = await stat(path);
  if (found.isFile()) return found.size;
  let sum = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).size;
  return sum;
}

/** What the file's own code wrote there is none of ours. */
function parse(answer: string): Said {
  try {
    return (JSON.parse(answer) as Said | null) ?? {};
  } catch {
    return {};
  }
}

const packages: Readonly<Record<string, string>> = {
  torch: 'torch onnx onnxscript',
  onnx: 'onnx',
  onnxscript: 'onnxscript',
  tensorflow: 'tensorflow-cpu tf2onnx',
  tf2onnx: 'tf2onnx',
  jax: 'jax jax2onnx',
  jax2onnx: 'jax2onnx',
};

const missing = (interpreter: string, module: string): WorkError =>
  new WorkError(
    'not_possible',
    `${interpreter} has no module ${module}`,
    `${interpreter} -m pip install ${packages[module] ?? module}; or name another Python: python: {interpreter: PATH}`,
  );
