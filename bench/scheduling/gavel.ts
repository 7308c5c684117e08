/** Mean completion time on three device models, against the same fairness blind to them, at the same load. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseMixedJobs, parseThroughputs, runMixed } from '@gantry/scheduling/simulate';
import type { BenchLine } from '../bench-line.ts';
import { tracesFolder } from './traces-folder.ts';

const CLUSTER = new Map([
  ['v100', 36],
  ['p100', 36],
  ['k80', 36],
]);
const TO_BEAT = 1.4;
/** Arrivals as they were, and so much closer that jobs queue. */
const LOADS = [1, 6];
const LISTS = ['msr_seed0_103959', 'msr_seed0_ed69ec'];

export function gavel(): Promise<BenchLine[]> {
  const folder = join(tracesFolder(), 'gavel');
  const throughputs = parseThroughputs(
    'simulation_throughputs.json',
    readFileSync(join(folder, 'simulation_throughputs.json'), 'utf8'),
  );
  const lines = LISTS.flatMap((list) => {
    const jobs = parseMixedJobs(list, readFileSync(join(folder, `${list}.trace`), 'utf8'), throughputs);
    return LOADS.map((load): BenchLine => {
      const specs = jobs.map((spec) => ({ ...spec, arrivalSeconds: spec.arrivalSeconds / load }));
      const blind = runMixed(specs, CLUSTER, 'max-min-blind').averageJctSeconds;
      const ours = runMixed(specs, CLUSTER, 'throughput-aware').averageJctSeconds;
      return {
        bench: 'scheduling',
        case: `gavel-${list}-${load}x`,
        ours,
        peer: blind,
        peerName: 'max-min blind to models, same run',
        better: 'less',
        bar: `<= ${(blind / TO_BEAT).toFixed(0)}`,
        pass: blind / ours >= TO_BEAT,
        unit: 's mean JCT',
        rounds: [ours],
      };
    });
  });
  return Promise.resolve(lines);
}
