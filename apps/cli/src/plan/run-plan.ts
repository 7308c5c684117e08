/** `gantry plan`: search, explain, print. Needs a server only for models of its registry. */
import {
  type Candidate,
  type TrainingTask,
  bindingLimit,
  launchWriters,
  modelParameters,
  searchLayouts,
  usableBytes,
  whyItWins,
  whyNothingFits,
} from '@gantry/training/planner';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { print, showOne } from '../output.ts';
import { runCalibration } from './calibration.ts';
import {
  neededDevices,
  type PlanOptions,
  readPlanRequest,
  readWantedModel,
  type WantedModel,
  withPlanErrors,
} from './plan-request.ts';
import { devicePicture } from './device-picture.ts';
import { writePlanPage } from './plan-page.ts';
import { localRanks, runOwnPlan } from './run-own-plan.ts';
import { planPage } from './plan-view.ts';

export interface Plan {
  readonly task: TrainingTask;
  readonly best: Candidate;
  readonly listed: readonly Candidate[];
  readonly fitting: number;
  readonly considered: number;
  readonly limit: string;
  readonly why: readonly string[];
}

export async function runPlan(options: PlanOptions, command: Command): Promise<void> {
  await withPlanErrors(async () => {
    if (options.calibrate === true) return await runCalibration(command);
    const devices = neededDevices(options);
    const ranks = localRanks(devices);
    const wanted = await readWantedModel(options, command);
    if (ranks !== undefined) return await runOwnPlan(ranks, wanted, options, command);
    return await planForDevices(devices, wanted, options, command);
  });
}

async function planForDevices(
  devices: string,
  wanted: WantedModel,
  options: PlanOptions,
  command: Command,
): Promise<void> {
  const { task, wish } = readPlanRequest(devices, wanted, options);
  const search = searchLayouts(task, wish);
  const [best] = search.fitting;
  if (best === undefined) {
    const { message, hints } = whyNothingFits(task, search);
    throw new CliError('unsatisfiable', message, {
      ...(hints.length === 0 ? {} : { hint: hints.join(' ') }),
      exitCode: exitCodes.refused,
    });
  }
  if (options.emit !== undefined) return emit(options.emit, task, best);
  const plan: Plan = {
    task,
    best,
    listed: search.fitting.slice(0, Math.max(1, Math.floor(options.top))),
    fitting: search.fitting.length,
    considered: search.considered,
    limit: bindingLimit(best).sentence,
    why: whyItWins(best, search.fitting),
  };
  if (options.html !== undefined)
    await writePlanPage(options.html, devicePicture(plan, search, toJson(plan)));
  showOne(command, toJson(plan), () => planPage(plan));
}

function emit(launcher: NonNullable<PlanOptions['emit']>, task: TrainingTask, best: Candidate): void {
  const file = launchWriters[launcher](task, best.layout);
  if ('reason' in file)
    throw new CliError('unsupported', `${launcher} cannot run the best layout. ${file.reason}`, {
      exitCode: exitCodes.refused,
    });
  print(file.text.trimEnd());
  for (const note of file.notes) process.stderr.write(`  ${note}\n`);
}

function toJson({ task, listed, limit, why, fitting, considered, best }: Plan): unknown {
  const { model, device, devices, sequenceLength, batch, software } = task;
  return {
    model: { ...model, parameters: modelParameters(model) },
    devices: { count: devices, name: device.name, source: device.source, usableBytes: usableBytes(task) },
    sequenceLength,
    batch,
    software,
    considered,
    fitting,
    layouts: listed.map(({ layout, memory, time }) => ({ ...layout, memoryBytes: memory, seconds: time })),
    limit,
    why,
    launch: Object.fromEntries(
      Object.entries(launchWriters).map(([name, write]) => [name, write(task, best.layout)]),
    ),
  };
}
