/** `gantry simulate --trace pollux`: elastic training jobs whose speed at every size was measured (OSDI'21). */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { countOf } from '@gantry/kit';
import {
  ADAPTIVE_POLICIES,
  APPLICATION_NAMES,
  Application,
  TraceError,
  parseAdaptiveWorkload,
  runAdaptive,
} from '@gantry/scheduling/simulate';
import { CliError } from '../cli-error.ts';
import { needed, readTrace } from './read-trace.ts';
import type { Experiment } from './replays.ts';
import type { SimulateOptions } from './simulate-options.ts';

export function pollux(options: SimulateOptions): Experiment {
  const forWhat = '--trace pollux';
  const workload = needed('--workload FILE', options.workload, forWhat);
  const applications = readApplications(needed('--applications DIR', options.applications, forWhat));
  const nodes = Number(needed('--nodes N', options.nodes, forWhat));
  if (!Number.isInteger(nodes) || nodes < 1)
    throw new CliError('bad_request', `--nodes is ${options.nodes}; with pollux it is how many`, {
      hint: 'the published runs have --nodes 16 --gpus-per-node 4',
    });
  const devicesPerNode = options.gpusPerNode;
  const specs = readTrace(workload, (name, content) => parseAdaptiveWorkload(name, content, applications));
  if (specs.length === 0) throw new CliError('trace_invalid', `${workload} has a header and no jobs`);
  const arrivals = specs.map((spec) => ({ ...spec, submittedAt: spec.submittedAt / options.arrivalRate }));
  return {
    title: `pollux: ${countOf(specs.length, 'job')} on ${countOf(nodes * devicesPerNode, 'GPU')}, ${devicesPerNode} a node`,
    notes: [],
    policies: Object.keys(ADAPTIVE_POLICIES),
    ours: 'goodput',
    variants: [(policy) => ({ result: runAdaptive(arrivals, { nodes, devicesPerNode }, policy).result })],
  };
}

/** A folder for each application, as the Pollux artifact has them. */
function readApplications(folder: string): ReadonlyMap<string, Application> {
  const entries = APPLICATION_NAMES.map((name) => {
    const path = join(folder, name);
    let files: readonly string[];
    try {
      files = readdirSync(path).filter((file) => file.endsWith('.csv'));
    } catch {
      throw new CliError('data_missing', `there is no folder ${path}`, {
        hint: `--applications names the folder that holds ${APPLICATION_NAMES.join(', ')}`,
      });
    }
    const texts = Object.fromEntries(files.map((file) => [file, readFileSync(join(path, file), 'utf8')]));
    try {
      return [name, new Application(name, texts)] as const;
    } catch (error) {
      if (!(error instanceof TraceError)) throw error;
      throw new CliError(error.code, error.message, { hint: error.hint });
    }
  });
  return new Map(entries);
}
