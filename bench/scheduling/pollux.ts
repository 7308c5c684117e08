/** The simulator against the published runs of the Pollux artifact, then our `goodput` against Pollux's own figures. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Application,
  APPLICATION_NAMES,
  parseAdaptiveWorkload,
  runAdaptive,
} from '@gantry/scheduling/simulate';
import type { BenchLine } from '../bench-line.ts';
import { tracesFolder } from './traces-folder.ts';

const CLUSTER = { nodes: 16, devicesPerNode: 4 };
/** How near a published policy must be met to show that the simulator is right. */
const NEAR = 0.05;

/** `goodput` is compared with Pollux itself. */
const CASES = [
  { policy: 'tiresias', peer: 'tiresias', load: '1.0' },
  { policy: 'optimus', peer: 'optimus', load: '1.0' },
  { policy: 'goodput', peer: 'pollux', load: '0.5' },
  { policy: 'goodput', peer: 'pollux', load: '1.0' },
  { policy: 'goodput', peer: 'pollux', load: '1.5' },
  { policy: 'goodput', peer: 'pollux', load: '2.0' },
];

export function pollux(): Promise<BenchLine[]> {
  const folder = join(tracesFolder(), 'pollux');
  const applications = new Map(
    APPLICATION_NAMES.map((name) => {
      const files = readdirSync(join(folder, 'traces', name)).map((file) => [
        file,
        readFileSync(join(folder, 'traces', name, file), 'utf8'),
      ]);
      return [name, new Application(name, Object.fromEntries(files))];
    }),
  );
  const lines = CASES.map(({ policy, peer, load }): BenchLine => {
    const workloads = join(folder, load === '1.0' ? 'workloads' : `workloads-${load}`);
    const published = JSON.parse(
      readFileSync(join(folder, 'results-jobload', `${peer}-${load}`, 'summary.json'), 'utf8'),
    ) as { avgs: Record<string, number> };
    const rounds: number[] = [];
    let peerSum = 0;
    for (const file of readdirSync(workloads).sort()) {
      const specs = parseAdaptiveWorkload(file, readFileSync(join(workloads, file), 'utf8'), applications);
      rounds.push(runAdaptive(specs, CLUSTER, policy).result.averageJctSeconds);
      peerSum += published.avgs[file.replace('.csv', '')]!;
    }
    const ours = rounds.reduce((sum, value) => sum + value, 0) / rounds.length;
    const theirs = peerSum / rounds.length;
    const isReproduction = policy === peer;
    return {
      bench: 'scheduling',
      case: `pollux-${load}-${policy}`,
      ours,
      peer: theirs,
      peerName: `${peer}, published`,
      better: 'less',
      bar: isReproduction ? `${theirs.toFixed(0)} within 5 %` : `<= ${theirs.toFixed(0)}`,
      pass: isReproduction ? Math.abs(ours / theirs - 1) <= NEAR : ours <= theirs,
      unit: 's mean JCT',
      rounds,
    };
  });
  return Promise.resolve(lines);
}
