/**
 * A model of 1.1 billion parameters (random, bfloat16, three shards: 2.2 GB) becomes a GGUF, a smaller one and ONNX with
 * weights beside it. Said: the most memory that each conversion held, and whether llama.cpp and ONNX Runtime load the
 * files and agree. It takes 10 GB of disk and some minutes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createLlamaEngine } from '../../../packages/engines/src/llamacpp/llama-engine.ts';
import { likeliestTokens } from '../../../packages/engines/src/testing/ask-engine.ts';
import { type Check, askPeer } from '../check.ts';
import { furtherEnvironment } from '../python-environment.ts';
import { writeLargeCheckpoint } from '../large-checkpoint.ts';

const worker = join(import.meta.dirname, '..', '..', '..', 'apps', 'worker', 'src', 'main.ts');
const prompt = [11, 4_242, 31_000, 7, 7, 900];

export const largeModel: Check = async (world) => {
  const folder = join(world.dir, 'checkpoint');
  await mkdir(folder);
  const bytes = await writeLargeCheckpoint(folder);
  const whole = join(world.dir, 'whole.gguf');
  const small = join(world.dir, 'small.gguf');
  const onnx = join(world.dir, 'model.onnx');
  const said = [`${gigabytes(bytes)} safetensors`];
  const convert = async (name: string, wish: object, to: string): Promise<void> => {
    const { seconds, peakBytes } = await conversion(world.dir, wish, to);
    said.push(`${name} ${gigabytes((await stat(to)).size)} in ${seconds} s holding ${gigabytes(peakBytes)}`);
  };
  await convert('F16', { path: folder, format: 'gguf', type: 'F16' }, whole);
  await convert('Q4_K_M', { path: whole, type: 'Q4_K_M' }, small);
  await convert('ONNX', { path: folder, format: 'onnx' }, onnx);
  said.push(`weights beside it ${gigabytes((await stat(`${onnx}.data`)).size)}`);
  await answer(small);
  const top = await answer(whole);
  await rm(small);
  await writeFile(join(world.dir, 'top.json'), JSON.stringify({ prompt, top }));
  const python = await furtherEnvironment(world.python, { file: 'requirements-exporters.txt', over: true });
  said.push(await askPeer({ ...world, python }, 'large_model.py', { DIR: world.dir }));
  return said.join('; ');
};

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

/** A worker of its own, as a job has it; watched from outside. */
async function conversion(dir: string, convert: object, to: string) {
  const spec = join(dir, 'spec.json');
  await writeFile(spec, JSON.stringify({ convert, to }));
  const startedAt = performance.now();
  const child = spawn(process.execPath, [worker, 'convert'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, GANTRY_SPEC_FILE: spec },
  });
  let peakBytes = 0;
  const watching = setInterval(() => {
    void readFile(`/proc/${child.pid}/status`, 'utf8').then(
      (status) => {
        peakBytes = Math.max(peakBytes, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
      },
      () => undefined,
    );
  }, 100);
  try {
    const [complaint, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    if (code !== 0) throw new Error(complaint.trim().split('\n').at(-1));
  } finally {
    clearInterval(watching);
  }
  return { seconds: Math.round((performance.now() - startedAt) / 1_000), peakBytes };
}

/** The likeliest tokens after the prompt, by llama.cpp. */
async function answer(modelPath: string) {
  await using engine = await createLlamaEngine({ modelPath, slots: 1, threads: 1 });
  const [next] = await likeliestTokens(engine, prompt, 1);
  if (next !== undefined) return next.top;
  throw new Error(`${modelPath} answers nothing`);
}
