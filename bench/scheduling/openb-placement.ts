/** Allocation at 100 % arrived on the openb lists, 10 seeds, beside the published FGD rows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseOpenbNodes, parseOpenbPods, runOpenb } from '@gantry/scheduling/simulate';
import type { BenchLine } from '../bench-line.ts';
import { tracesFolder } from './traces-folder.ts';

const SEEDS = Array.from({ length: 10 }, (_, index) => 42 + index);

/** Parameters were tuned on these; every other list is unseen. */
const TUNED_ON = new Set(['default', 'gpuspec10', 'gpuspec25']);

export async function openbPlacement(): Promise<BenchLine[]> {
  const folder = join(tracesFolder(), 'openb');
  const nodes = parseOpenbNodes('nodes', readFileSync(join(folder, 'openb_node_list_gpu_node.csv'), 'utf8'));
  const published = publishedFgd(
    readFileSync(join(folder, 'published_results/analysis_allo_discrete.csv'), 'utf8'),
  );
  const lines: BenchLine[] = [];
  for (const file of readdirSync(join(folder, 'pods')).sort()) {
    const list = file.replace('openb_pod_list_', '').replace('.csv', '');
    const pods = parseOpenbPods(file, readFileSync(join(folder, 'pods', file), 'utf8'));
    const peer = published.get(file.replace('.csv', ''));
    for (const randomTies of [false, true]) {
      const rounds = SEEDS.map(
        (seed) => runOpenb(nodes, pods, 'shadow-price', seed, { randomTies }).allocationPercentAt100,
      );
      const ours = rounds.reduce((sum, value) => sum + value, 0) / rounds.length;
      const least = list === 'default' && !randomTies ? Math.max(95.7, peer ?? 0) : (peer ?? 0);
      lines.push({
        bench: 'scheduling',
        case: `openb-${list}${randomTies ? '-random-ties' : ''}${TUNED_ON.has(list) ? ' (tuned on)' : ''}`,
        ours,
        peer,
        peerName: 'FGD, published mean of 10 seeds',
        better: 'more',
        bar: `>= ${least.toFixed(2)}`,
        pass: ours >= least,
        unit: '% allocated',
        rounds,
      });
    }
  }
  return lines;
}

/** Mean of column 100 over the seeds, by pod list. */
function publishedFgd(content: string): Map<string, number> {
  const [header, ...rows] = content
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  const column = header!.indexOf('100');
  const values = new Map<string, number[]>();
  for (const row of rows) {
    if (!row[1]!.includes('FGD')) continue;
    const list = row[0]!;
    values.set(list, [...(values.get(list) ?? []), Number(row[column])]);
  }
  return new Map(
    [...values].map(([list, all]) => [list, all.reduce((sum, value) => sum + value, 0) / all.length]),
  );
}
