/** The programs that a plan is built with, and what they say of themselves: TensorRT's version, the device's name. */
import { spawn } from 'node:child_process';
import { WorkError } from '../work-error.ts';

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

/** What it writes goes to the job's log too; its last megabyte is kept. */
async function run(command: readonly string[], missing: string): Promise<Ended> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk);
      said = (said + chunk.toString('utf8')).slice(-1_048_576);
    });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', () =>
      reject(new WorkError('not_possible', `${program} cannot be started here`, missing)),
    );
    child.on('close', resolve);
  });
  return { code, said };
}

export interface TensorRt {
  /** `10.3.0`. */
  readonly version: string;
  /** As it writes it: 8601 is 8.6.1, 100300 is 10.3.0. */
  readonly number: string;
}

const programHint =
  'tensorrt: {program: [/usr/src/tensorrt/bin/trtexec]} names it; any command that takes its flags will do';

export async function tensorRtOf(program: readonly string[]): Promise<TensorRt> {
  const { said } = await run([...program, '--help'], programHint);
  const number = /TensorRT v(\d{4,6})\b/.exec(said)?.[1];
  if (number === undefined)
    throw new WorkError(
      'not_possible',
      `${program.join(' ')} does not say which TensorRT it is`,
      programHint,
    );
  return { number, version: versionOf(Number(number)) };
}

/** From version 10 on there are two digits for each part. */
export function versionOf(number: number): string {
  const parts = number < 10_000 ? [1_000, 100] : [10_000, 100];
  const [major = 1, minor = 1] = parts;
  return [Math.floor(number / major), Math.floor((number % major) / minor), number % minor].join('.');
}

export interface BuildDevice {
  /** As the platform's nodes name it. */
  readonly model: string;
  readonly computeCapability: string;
}

export async function buildDevice(visible: string | undefined): Promise<BuildDevice> {
  const hint = 'a plan is built on the kind of GPU that it is for: resources: {gpu: 1, gpuModel: …}';
  const [first] = visible === undefined || visible === '' ? [] : visible.split(',');
  const which = first === undefined ? [] : ['-i', first];
  const query = ['--query-gpu=name,compute_cap', '--format=csv,noheader'];
  const { code, said } = await run(['nvidia-smi', ...which, ...query], hint);
  const [model, computeCapability] =
    said
      .split('\n')[0]
      ?.split(',')
      .map((part) => part.trim()) ?? [];
  if (code !== 0 || model === undefined || computeCapability === undefined)
    throw new WorkError('not_possible', 'this job sees no NVIDIA device', hint);
  return { model, computeCapability };
}

export async function runBuild(command: readonly string[]): Promise<void> {
  const { code, said } = await run(command, programHint);
  if (code === 0) return;
  const complaint = said.split('\n').findLast((line) => /\[E\]|error/i.test(line)) ?? '';
  throw new WorkError(
    'not_possible',
    `${command[0]} ended with ${code ?? 'a signal'}: ${complaint.trim().slice(0, 500)}`,
    'its whole output is in the log of the job',
  );
}
