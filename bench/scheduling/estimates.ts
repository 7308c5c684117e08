/** On made-up histories through the live planner: how often p90 held, and what learned lengths save in waiting. */
import { generateHistory, type HistoryReplay, replayHistory } from '@gantry/scheduling/simulate';
import type { BenchLine } from '../bench-line.ts';

const SEEDS = [1, 2, 3];
const CLUSTER = { nodes: 8, devicesPerNode: 8 };
const PROMISED = { least: 0.85, most: 0.95 };

export function estimates(): Promise<BenchLine[]> {
  const run = (seed: number, order: string): HistoryReplay =>
    replayHistory(generateHistory({ seed, jobs: 1200, load: 0.9, clusterDevices: 64 }), {
      ...CLUSTER,
      order,
    });
  const ours = SEEDS.map((seed) => run(seed, 'default'));
  const inOrder = SEEDS.map((seed) => run(seed, 'fifo-backfill'));
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const coverage = (what: 'runtimes' | 'starts'): BenchLine => {
    const rounds = ours.map((replay) => replay[what].p90?.part ?? 0);
    const value = mean(rounds);
    return {
      bench: 'scheduling',
      case: `estimates-p90-of-${what}`,
      ours: value,
      peer: undefined,
      peerName: undefined,
      better: 'more',
      bar: `${PROMISED.least} to ${PROMISED.most}`,
      pass: rounds.every((part) => part >= PROMISED.least && part <= PROMISED.most),
      unit: 'of truths below',
      rounds,
    };
  };
  const waits = ours.map(({ averageWaitSeconds }) => averageWaitSeconds);
  const peerWaits = inOrder.map(({ averageWaitSeconds }) => averageWaitSeconds);
  const wait: BenchLine = {
    bench: 'scheduling',
    case: 'estimates-mean-wait',
    ours: mean(waits),
    peer: mean(peerWaits),
    peerName: 'fifo-backfill with the same guesses, same run',
    better: 'less',
    bar: '< peer',
    pass: mean(waits) < mean(peerWaits),
    unit: 's',
    rounds: waits,
  };
  return Promise.resolve([coverage('runtimes'), coverage('starts'), wait]);
}
