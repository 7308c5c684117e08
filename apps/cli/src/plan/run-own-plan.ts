/** `gantry plan --devices 2xlocal`: layouts of our own runtime on this machine. */
import { cpus } from 'node:os';
import {
  describeOwnLayout,
  ownConfig,
  ownJob,
  ownLimit,
  type OwnCandidate,
  type OwnTask,
  searchOwnLayouts,
  whyNothingOwnFits,
  whyOwnWins,
} from '@gantry/training/planner';
import type { Command } from 'commander';
import { countOf } from '@gantry/kit';
import pc from 'picocolors';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { print, showOne, table } from '../output.ts';
import { mib, seconds } from './plan-units.ts';
import { readCalibration } from './calibration.ts';
import { ownPicture } from './own-picture.ts';
import { writePlanPage } from './plan-page.ts';
import { type PlanOptions, readOwnWish, type WantedModel } from './plan-request.ts';

/** How many ranks `local`, `4xlocal` or `4xcpu` mean; undefined for devices of another kind. */
export function localRanks(devices: string): number | undefined {
  const found = /^(?:(\d{1,4})\s*[x×*]\s*)?(?:local|cpu)$/i.exec(devices.trim());
  if (found === null) return undefined;
  return found[1] === undefined ? cpus().length : Math.max(1, Number(found[1]));
}

export async function runOwnPlan(
  ranks: number,
  { model, sequenceLength, batch, optimizer }: WantedModel,
  options: PlanOptions,
  command: Command,
): Promise<void> {
  const config = ownConfig(model, sequenceLength);
  const task: OwnTask = { config, sequenceLength, batch, ranks, calibration: await readCalibration() };
  const top = Math.max(1, Math.floor(options.top));
  const search = searchOwnLayouts(
    task,
    { ...readOwnWish(options), optimizer },
    Math.max(top, options.html === undefined ? 8 : 24),
  );
  const [best] = search.fitting;
  if (best === undefined) {
    const { message, hint } = whyNothingOwnFits(task, search);
    throw new CliError('unsatisfiable', message, { hint, exitCode: exitCodes.refused });
  }
  if (options.emit !== undefined) {
    const file = options.emit === 'gantry' ? ownJob(model.name, task, best) : undefined;
    if (file === undefined || 'reason' in file)
      throw new CliError(
        'unsupported',
        file?.reason ?? `${options.emit} does not run on this machine's cores.`,
        {
          hint: 'Local ranks are our own runtime: --emit gantry.',
          exitCode: exitCodes.refused,
        },
      );
    print(file.text.trimEnd());
    return;
  }
  const listed = search.fitting.slice(0, top);
  const why = whyOwnWins(best, search.fitting);
  if (options.html !== undefined)
    await writePlanPage(
      options.html,
      ownPicture(model.name, task, listed, search.fitting, [ownLimit(best), ...why]),
    );
  showOne(command, toJson(task, listed, why, search.considered), () =>
    page(model.name, task, best, listed, [ownLimit(best), ...why], search.considered),
  );
}

function toJson(
  { calibration, ...task }: OwnTask,
  listed: readonly OwnCandidate[],
  why: readonly string[],
  considered: number,
): unknown {
  return {
    ...task,
    machine: calibration.machine,
    considered,
    layouts: listed.map(({ run, memory, step }) => ({
      ...run.layout,
      microBatch: run.sequences,
      memoryBytes: memory,
      seconds: step,
    })),
    limit: listed[0] && ownLimit(listed[0]),
    why,
  };
}

const memoryParts = [
  'parameters',
  'gradients',
  'optimiser',
  'activations',
  'workspace',
  'buffers',
  'runtime',
] as const;
const timeParts = ['compute', 'recompute', 'tensor', 'pipeline', 'bubble', 'data', 'optimiser'] as const;

function page(
  name: string,
  { ranks, sequenceLength, batch, calibration }: OwnTask,
  best: OwnCandidate,
  listed: readonly OwnCandidate[],
  sentences: readonly string[],
  considered: number,
): string {
  const rows = listed.map(({ run, memory, step }) => [
    describeOwnLayout(run.layout, run.sequences),
    seconds(step.total),
    Math.round((batch * sequenceLength) / step.total).toLocaleString('en'),
    mib(memory.total),
  ]);
  const parts = [
    [
      'memory of a rank',
      ...memoryParts
        .filter((part) => best.memory[part] > 0)
        .map((part) => `${part} ${mib(best.memory[part])}`),
    ],
    ['', `${mib(best.memory.total * ranks)} of the machine's ${mib(calibration.memoryBytes)}`],
    [
      'time of a step',
      ...timeParts.filter((part) => best.step[part] > 0).map((part) => `${part} ${seconds(best.step[part])}`),
    ],
  ].map(([title = '', ...cells]) => `  ${pc.dim(title.padEnd(18))}  ${cells.join(' · ')}`);
  return [
    `  ${name} on ${ranks} of our own ranks · ${calibration.machine}`,
    `  ${countOf(batch, 'sequence')} of ${sequenceLength} tokens a step · ${countOf(considered, 'layout')} divide${considered === 1 ? 's' : ''}`,
    '',
    table(['layout', 'step', 'tokens/s', 'a rank'], rows),
    '',
    ...parts,
    '',
    ...sentences.map((sentence) => `  ${sentence}`),
    '',
    `  ${pc.dim('--emit gantry prints the job file')}`,
  ].join('\n');
}
