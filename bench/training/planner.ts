/**
 * The planner against published runs (absolute bars; the peer is Calculon on the same eight rows, run for our notes)
 * and its device constants against the operator profiles that they come from.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allReduceSeconds } from '../../packages/training/src/planner/collective-time.ts';
import { type DeviceProfile, deviceProfiles } from '../../packages/training/src/planner/device-profile.ts';
import { layoutTime } from '../../packages/training/src/planner/layout-time.ts';
import { matmulSeconds } from '../../packages/training/src/planner/matmul-time.ts';
import {
  type PublishedRun,
  korthikanti,
  megatronSc21,
} from '../../packages/training/src/planner/testing/published-runs.ts';
import type { BenchLine } from '../bench-line.ts';

const calculon = { mean: 3.65, max: 8.87 } as const;

export function plannerErrors(): Promise<BenchLine[]> {
  const tableFive = errorsOf(korthikanti);
  const lines = [
    line('planner-korthikanti-mean', mean(tableFive), 4, tableFive, calculon.mean),
    line('planner-korthikanti-max', Math.max(...tableFive), 9, tableFive, calculon.max),
    line('planner-sc21-mean', mean(errorsOf(megatronSc21)), 10, errorsOf(megatronSc21)),
    ...profiled.flatMap(([name, file]) => profileLines(name, file)),
  ];
  return Promise.resolve(lines);
}

const errorsOf = (runs: readonly PublishedRun[]): readonly number[] =>
  runs.map(({ task, layout, seconds }) => 100 * Math.abs(layoutTime(task, layout).total / seconds - 1));

const profiled = [
  ['A100-80GB', 'a100'],
  ['H100-80GB', 'h100'],
] as const;

/** What the constants were fitted on; nothing where the profiles are not at hand. */
function profileLines(name: string, file: string): BenchLine[] {
  const traces = process.env['GANTRY_TRACES'] ?? join(import.meta.dirname, '../../../shared/traces');
  const folder = join(traces, 'vidur-profiles');
  const device = deviceProfiles.find((profile) => profile.name === name);
  if (device === undefined || !existsSync(folder)) return [];
  const products = productErrors(device, rowsOf(join(folder, `${file}_llama2-7b_mlp.csv`)));
  const sums = sumErrors(device, rowsOf(join(folder, `${file}_dgx_all_reduce.csv`)));
  return [
    line(`planner-${file}-matmul`, mean(products), 10, quantiles(products)),
    line(`planner-${file}-all-reduce`, mean(sums), 10, quantiles(sums)),
  ];
}

type Row = Readonly<Record<string, string>>;
const width = 4_096;
const hidden = 11_008;

function productErrors(device: DeviceProfile, rows: readonly Row[]): readonly number[] {
  return rows.flatMap((row) => {
    const tokens = Number(row['num_tokens']);
    const tensor = Number(row['num_tensor_parallel_workers']);
    if (tokens < 256) return [];
    const products = {
      attn_pre_proj: [(3 * width) / tensor, width],
      attn_post_proj: [width, width / tensor],
      mlp_up_proj: [(2 * hidden) / tensor, width],
      mlp_down_proj: [width, hidden / tensor],
    } as const;
    return Object.entries(products).map(([operator, [columns, depth]]) => {
      const seconds = Number(row[`time_stats.${operator}.median`]) / 1_000;
      return 100 * Math.abs(matmulSeconds(device, { rows: tokens, columns, depth }) / seconds - 1);
    });
  });
}

function sumErrors(device: DeviceProfile, rows: readonly Row[]): readonly number[] {
  return rows.flatMap((row) => {
    const ranks = Number(row['num_workers']);
    const bytes = Number(row['size']);
    // Inside one node, large enough to matter; the last size's rows are warm-up outliers.
    if (Number(row['devices_per_node']) !== ranks || bytes < 8e6 || bytes >= 67_108_864) return [];
    const seconds = Number(row['time_stats.all_reduce.median']) / 1_000;
    return [100 * Math.abs(allReduceSeconds(device, bytes, { ranks, ranksPerNode: ranks }) / seconds - 1)];
  });
}

function rowsOf(file: string): readonly Row[] {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const names = head.split(',');
  return lines.map((text) => {
    const cells = text.split(',');
    return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? '']));
  });
}

function line(name: string, ours: number, bar: number, rounds: readonly number[], peer?: number): BenchLine {
  return {
    bench: 'training',
    case: name,
    ours,
    peer,
    peerName:
      peer === undefined ? undefined : 'Calculon on the same rows (our run of it, see docs/planner.md)',
    better: 'less',
    bar: `<= ${bar} %`,
    pass: ours <= bar,
    unit: '% error',
    rounds,
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function quantiles(values: readonly number[]): readonly number[] {
  const sorted = values.toSorted((one, other) => one - other);
  return [0, 0.25, 0.5, 0.75, 1].map((at) => sorted[Math.round(at * (sorted.length - 1))] ?? 0);
}
