/** `gantry simulate --trace gavel`: jobs whose speed on each device model was measured (OSDI'20). */
import { countOf } from '@gantry/kit';
import { MIXED_POLICIES, parseMixedJobs, parseThroughputs, runMixed } from '@gantry/scheduling/simulate';
import { CliError } from '../cli-error.ts';
import { needed, oneOf, readTrace } from './read-trace.ts';
import type { Experiment } from './replays.ts';
import type { SimulateOptions } from './simulate-options.ts';

export function gavel(options: SimulateOptions): Experiment {
  const forWhat = '--trace gavel';
  const list = needed('--jobs FILE', options.jobs, forWhat);
  const throughputs = readTrace(needed('--throughputs FILE', options.throughputs, forWhat), parseThroughputs);
  const cluster = parseCluster(needed('--cluster MODEL=N,…', options.cluster, forWhat), throughputs.models);
  const specs = readTrace(list, (name, content) => parseMixedJobs(name, content, throughputs));
  if (specs.length === 0) throw new CliError('trace_invalid', `${list} has no jobs`);
  const arrivals = specs.map((spec) => ({
    ...spec,
    arrivalSeconds: spec.arrivalSeconds / options.arrivalRate,
  }));
  return {
    title: `gavel: ${countOf(specs.length, 'job')} on ${[...cluster].map(([model, count]) => `${count} × ${model}`).join(', ')}`,
    notes: [],
    policies: Object.keys(MIXED_POLICIES),
    ours: 'throughput-aware',
    variants: [(policy) => ({ result: runMixed(arrivals, cluster, policy) })],
  };
}

function parseCluster(text: string, models: readonly string[]): ReadonlyMap<string, number> {
  const parts = text.split(',').map((part) => {
    const [model = '', count = ''] = part.trim().split('=');
    const devices = Number(count);
    if (count === '' || !Number.isInteger(devices) || devices < 1)
      throw new CliError('bad_request', `--cluster: "${part}" is no model with a number of devices`, {
        hint: 'write it like v100=36,p100=36,k80=36',
      });
    return [oneOf('device model', model, models), devices] as const;
  });
  return new Map(parts);
}
