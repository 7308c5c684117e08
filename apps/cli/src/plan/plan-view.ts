/** A plan as a page of text. */
import { countOf } from '@gantry/kit';
import { describeLayout, modelParameters, usableBytes } from '@gantry/training/planner';
import pc from 'picocolors';
import { table } from '../output.ts';
import { gib, seconds } from './plan-units.ts';
import type { Plan } from './run-plan.ts';

const memoryParts = ['parameters', 'gradients', 'optimiser', 'activations', 'buffers'] as const;
const timeParts = [
  'compute',
  'recompute',
  'tensor',
  'expert',
  'pipeline',
  'bubble',
  'data',
  'optimiser',
] as const;

export function planPage({ task, best, listed, fitting, considered, limit, why }: Plan): string {
  const { model, device, devices, sequenceLength, batch } = task;
  const billions = modelParameters(model) / 1e9;
  const head = [
    `  ${model.name}: ${billions.toFixed(billions < 10 ? 2 : 1)} B parameters on ${devices} × ${device.name}`,
    `  ${countOf(batch, 'sequence')} of ${sequenceLength} tokens a step · ${fitting} of ${countOf(considered, 'layout')} fit`,
  ];
  const rows = listed.map(({ layout, memory, time }) => [
    describeLayout(layout),
    seconds(time.total),
    Math.round((batch * sequenceLength) / time.total).toLocaleString('en'),
    `${(100 * time.modelFlopUtilisation).toFixed(0)} %`,
    gib(memory.total),
  ]);
  const parts = [
    ['memory of a device', ...memoryParts.map((part) => `${part} ${gib(best.memory[part])}`)],
    ['', `${gib(best.memory.total)} of ${gib(usableBytes(task))} usable`, ...hostPart(best.memory.host)],
    [
      'time of a step',
      ...timeParts.filter((part) => best.time[part] > 0).map((part) => `${part} ${seconds(best.time[part])}`),
    ],
  ].map(([name = '', ...cells]) => `  ${pc.dim(name.padEnd(18))}  ${cells.join(' · ')}`);
  return [
    ...head,
    '',
    table(['layout', 'step', 'tokens/s', 'MFU', 'memory'], rows),
    '',
    ...parts,
    '',
    `  ${limit}`,
    ...why.map((sentence) => `  ${sentence}`),
    '',
    `  ${pc.dim('--emit gantry|deepspeed|fsdp|megatron|accelerate prints the launch configuration')}`,
  ].join('\n');
}

const hostPart = (bytes: number): readonly string[] => (bytes > 0 ? [`${gib(bytes)} on the host`] : []);
