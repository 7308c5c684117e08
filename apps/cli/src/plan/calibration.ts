/** `gantry plan --calibrate`: what our own runtime takes on this machine, written beside the CLI's other settings. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { arch, cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import {
  calibrateOwn,
  type OwnCalibration,
  narrowRun,
  PlanError,
  readOwnCalibration,
  referenceRun,
} from '@gantry/training/planner';
import type { Command } from 'commander';
import { countOf } from '@gantry/kit';
import { CliError } from '../cli-error.ts';
import { contextFile } from '../connection.ts';
import { showOne } from '../output.ts';
import { runProbe } from './run-probe.ts';

const steps = 7;

const calibrationFile = (): string => join(dirname(contextFile()), 'calibration.json');

export async function runCalibration(command: Command): Promise<void> {
  const cores = cpus().length;
  const say = (text: string): boolean => process.stderr.write(`  ${text}\n`);
  say('a step of 6 layers of 384 on one rank …');
  const [alone] = await runProbe(referenceRun(1), steps);
  say('the same with a sixth of the width …');
  const [thin] = await runProbe(narrowRun(), steps);
  if (alone === undefined || thin === undefined)
    throw new CliError('probe_failed', 'The probe said nothing.');
  if (cores > 1) say(`the first on ${cores} ranks at once …`);
  const together = cores > 1 ? await runProbe(referenceRun(cores), steps) : [];
  const name = `${cpus()[0]?.model.trim() ?? 'unknown'} (${arch()})`;
  const calibration = calibrateOwn(alone, thin, together, { name, cores, memoryBytes: totalmem() });
  const file = calibrationFile();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${JSON.stringify(calibration, undefined, 2)}\n`);
  showOne(command, { file, ...calibration }, () => page(file, calibration));
}

export async function readCalibration(): Promise<OwnCalibration> {
  const file = calibrationFile();
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new PlanError(
      'This machine is not calibrated.',
      'Run `gantry plan --calibrate` once, while nothing else does much.',
    );
  try {
    return readOwnCalibration(file, JSON.parse(text));
  } catch (error) {
    if (error instanceof PlanError) throw error;
    throw new PlanError(`${file} is not JSON.`, 'Write it again with `gantry plan --calibrate`.');
  }
}

function page(file: string, { machine, dialect, memory, step }: OwnCalibration): string {
  const gigaflop = (rate: number): string => `${(rate / 1e9).toFixed(0)} GFLOP/s`;
  return [
    `  ${machine}, ${countOf(step.cores, 'core')}, ${dialect} graphs`,
    `  ${gigaflop(step.flopPerSecond.alone)} a rank alone, ${gigaflop(step.flopPerSecond.together)} each on all cores`,
    `  ${(step.exchange.bytesPerSecond / 1e9).toFixed(2)} GB/s between ranks, ${(1e6 * step.exchange.startSeconds).toFixed(0)} µs a collective`,
    `  a process of ${Math.round(memory.baseBytes / 2 ** 20)} MiB, ${(memory.nodeBytes / 1024).toFixed(1)} KiB a node of its graphs`,
    `  written to ${file}`,
    '',
    `  gantry plan --model … --devices ${step.cores}xlocal`,
  ].join('\n');
}
