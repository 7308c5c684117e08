/** A public list of jobs as it is, and what if there were more machines or faster arrivals. */
import { countOf } from '@gantry/kit';
import { parseItp, parsePhilly } from '@gantry/scheduling/simulate';
import { CliError } from '../cli-error.ts';
import { needed, readTrace } from './read-trace.ts';
import { type Experiment, type Scenario, leftOut, replayPolicies, runReplay } from './replays.ts';
import type { SimulateOptions } from './simulate-options.ts';

const parsers = { philly: parsePhilly, itp: parseItp } as const;

export function fromTrace(trace: keyof typeof parsers, options: SimulateOptions): Experiment {
  const jobs = readTrace(needed('--jobs FILE', options.jobs, `--trace ${trace}`), parsers[trace]);
  if (jobs.length === 0) throw new CliError('trace_invalid', `${options.jobs} has a header and no jobs`);
  const devices = needed('--gpus N', options.gpus, `--trace ${trace}`);
  const devicesPerNode = options.gpusPerNode;
  return toExperiment(options, {
    scenario: { jobs, cluster: { devices, devicesPerNode } },
    title: `${trace}: ${countOf(jobs.length, 'job')} on ${countOf(devices, 'GPU')}, ${devicesPerNode} a node`,
  });
}

function toExperiment(
  options: SimulateOptions,
  { scenario, title }: { scenario: Scenario; title: string },
): Experiment {
  const left = leftOut(scenario);
  const scenarios = [faster(scenario, options.arrivalRate), ...moreNodes(scenario, options)];
  return {
    title,
    notes: left === undefined ? [] : [left],
    policies: replayPolicies,
    ours: 'default',
    variants: scenarios.map((each) => (policy: string) => runReplay(each, policy)),
  };
}

function faster(scenario: Scenario, rate: number): Scenario {
  if (rate === 1) return scenario;
  const jobs = scenario.jobs.map((job) => ({ ...job, arrivalSeconds: job.arrivalSeconds / rate }));
  return { ...scenario, jobs };
}

/** `2` or `2xH100x8`: how many, and for the reader of the command what. */
function moreNodes(scenario: Scenario, { addNodes, arrivalRate }: SimulateOptions): readonly Scenario[] {
  if (addNodes === undefined) return [];
  const { devices, devicesPerNode } = scenario.cluster;
  const found = /^(\d+)(?:x(?:[A-Za-z][\w.-]*x)?(\d+))?$/.exec(addNodes);
  const count = Number(found?.[1]);
  if (found === null || count < 1)
    throw new CliError('bad_request', `--add-nodes ${addNodes} is not understood`, {
      hint: 'write it like 2 or 2xH100x8',
    });
  if (found[2] !== undefined && Number(found[2]) !== devicesPerNode)
    throw new CliError(
      'bad_request',
      `nodes here have ${countOf(devicesPerNode, 'device')}, those have ${found[2]}`,
      {
        hint: `the replay's nodes are all alike: --add-nodes ${Math.ceil((count * Number(found[2])) / devicesPerNode)}`,
      },
    );
  const cluster = { devices: devices + count * devicesPerNode, devicesPerNode };
  return [{ ...faster(scenario, arrivalRate), cluster, label: `+${count}` }];
}
