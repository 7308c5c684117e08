/** What a replay looked like while it ran, beyond the numbers of its result: for the table's last columns and the charts. */
import type { ReplayCluster, ReplayObserver } from '@gantry/scheduling/simulate';
import { TimeGrid } from './time-grid.ts';

const columns = 128;
/** More rows than this cannot be told apart on a page: nodes share one. */
const maxHeatRows = 64;

export interface SizeWaits {
  readonly size: string;
  readonly jobs: number;
  readonly meanWaitSeconds: number;
}

export interface ReplayView {
  readonly columnSeconds: number;
  readonly waitingJobs: readonly number[];
  /** Share of the cluster's devices in use, 0 to 1. */
  readonly utilisation: readonly number[];
  readonly meanUtilisation: number;
  readonly p99WaitSeconds: number;
  readonly waitsBySize: readonly SizeWaits[];
  /** Share in use, by row of nodes, then by time. */
  readonly heat: readonly (readonly number[])[];
  readonly nodesPerHeatRow: number;
}

const sizes: readonly (readonly [label: string, most: number])[] = [
  ['1', 1],
  ['2–4', 4],
  ['5–8', 8],
  ['9–16', 16],
  ['17–64', 64],
  ['65 or more', Number.POSITIVE_INFINITY],
];

export interface ReplayRecorder {
  readonly observer: ReplayObserver;
  readonly view: () => ReplayView;
}

export function createRecorder(cluster: ReplayCluster): ReplayRecorder {
  const nodes = Math.floor(cluster.devices / cluster.devicesPerNode);
  const nodesPerHeatRow = Math.max(1, Math.ceil(nodes / maxHeatRows));
  const heatRows = Math.ceil(nodes / nodesPerHeatRow);
  const [queueRow, busyRow, heatRow] = [0, 1, 2];
  const grid = new TimeGrid(2 + heatRows, columns);
  const waits: { devices: number; seconds: number }[] = [];
  let firstSeconds: number | undefined;
  let before: { nowSeconds: number; waitingJobs: number; busy: Float64Array } | undefined;
  let busySeconds = 0;
  let lastSeconds = 0;

  return {
    observer: {
      decided: ({ nowSeconds: at, waitingJobs, freeDevices }) => {
        firstSeconds ??= at;
        const nowSeconds = at - firstSeconds;
        if (before !== undefined) {
          const { nowSeconds: from, busy } = before;
          grid.add(queueRow, from, nowSeconds, before.waitingJobs);
          let total = 0;
          for (const [row, share] of busy.entries()) {
            grid.add(heatRow + row, from, nowSeconds, share);
            total += share;
          }
          grid.add(busyRow, from, nowSeconds, total);
          busySeconds += total * (nowSeconds - from);
          lastSeconds = nowSeconds;
        }
        const busy = new Float64Array(heatRows);
        for (let node = 0; node < nodes; node += 1) {
          const row = Math.floor(node / nodesPerHeatRow);
          busy[row] = (busy[row] ?? 0) + cluster.devicesPerNode - (freeDevices[node] ?? 0);
        }
        before = { nowSeconds, waitingJobs, busy };
      },
      finished: ({ job, finishedAt }) => {
        waits.push({
          devices: job.devices,
          seconds: Math.max(0, (finishedAt ?? 0) - job.arrivalSeconds - job.durationSeconds),
        });
      },
    },
    view: () => {
      const devices = nodes * cluster.devicesPerNode;
      const sorted = waits.map(({ seconds }) => seconds).toSorted((a, b) => a - b);
      return {
        columnSeconds: grid.columnSeconds,
        waitingJobs: grid.averages(queueRow),
        utilisation: grid.averages(busyRow).map((busy) => busy / devices),
        meanUtilisation: lastSeconds === 0 ? 0 : busySeconds / lastSeconds / devices,
        p99WaitSeconds: sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] ?? 0,
        waitsBySize: sizes.flatMap(([size, most], index) => {
          const least = sizes[index - 1]?.[1] ?? 0;
          const of = waits.filter((wait) => wait.devices > least && wait.devices <= most);
          const sum = of.reduce((total, { seconds }) => total + seconds, 0);
          return of.length === 0 ? [] : [{ size, jobs: of.length, meanWaitSeconds: sum / of.length }];
        }),
        heat: Array.from({ length: heatRows }, (_, row) => {
          const held = Math.min(nodesPerHeatRow, nodes - row * nodesPerHeatRow) * cluster.devicesPerNode;
          return grid.averages(heatRow + row).map((busy) => busy / held);
        }),
        nodesPerHeatRow,
      };
    },
  };
}
