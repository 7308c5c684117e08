/** What a replay looked like while it ran, beyond the numbers of its result: for the table's last columns and the charts. */
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
  /** What each row shows: a node, or the first and last of several. */
  readonly heatRows: readonly string[];
}

const sizes: readonly (readonly [label: string, most: number])[] = [
  ['1', 1],
  ['2–4', 4],
  ['5–8', 8],
  ['9–16', 16],
  ['17–64', 64],
  ['65 or more', Number.POSITIVE_INFINITY],
];

/** What is true from now on, until the next call; sizes in devices, or cores where there are none. */
interface Decided {
  readonly nowSeconds: number;
  readonly waitingJobs: number;
  /** By node. */
  readonly free: ArrayLike<number>;
}

export interface ReplayRecorder {
  /** What each node has. */
  readonly begins: (capacity: ArrayLike<number>) => void;
  readonly decided: (state: Decided) => void;
  readonly finished: (size: number, waitSeconds: number) => void;
  readonly view: () => ReplayView;
}

export function createRecorder(nodeNames: readonly string[]): ReplayRecorder {
  const nodes = nodeNames.length;
  const nodesPerHeatRow = Math.max(1, Math.ceil(nodes / maxHeatRows));
  const heatRows = Math.ceil(nodes / nodesPerHeatRow);
  const [queueRow, busyRow, heatRow] = [0, 1, 2];
  const grid = new TimeGrid(2 + heatRows, columns);
  const waits: { size: number; seconds: number }[] = [];
  let capacity: ArrayLike<number> = [];
  let firstSeconds: number | undefined;
  let before: { nowSeconds: number; waitingJobs: number; busy: Float64Array } | undefined;
  let busySeconds = 0;
  let lastSeconds = 0;

  const perRow = (value: (node: number) => number): Float64Array => {
    const sums = new Float64Array(heatRows);
    for (let node = 0; node < nodes; node += 1) {
      const row = Math.floor(node / nodesPerHeatRow);
      sums[row] = (sums[row] ?? 0) + value(node);
    }
    return sums;
  };
  const nameOf = (row: number): string => {
    const [first, last] = [row * nodesPerHeatRow, Math.min(nodes, (row + 1) * nodesPerHeatRow) - 1];
    return first === last ? (nodeNames[first] ?? '') : `${nodeNames[first] ?? ''} – ${nodeNames[last] ?? ''}`;
  };

  return {
    begins: (has) => {
      capacity = has;
    },
    decided: ({ nowSeconds: at, waitingJobs, free }) => {
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
      const busy = perRow((node) => (capacity[node] ?? 0) - (free[node] ?? 0));
      before = { nowSeconds, waitingJobs, busy };
    },
    finished: (size, seconds) => waits.push({ size, seconds }),
    view: () => {
      const held = perRow((node) => capacity[node] ?? 0);
      const devices = Math.max(
        1e-9,
        held.reduce((sum, each) => sum + each, 0),
      );
      const sorted = waits.map(({ seconds }) => seconds).toSorted((a, b) => a - b);
      return {
        columnSeconds: grid.columnSeconds,
        waitingJobs: grid.averages(queueRow),
        utilisation: grid.averages(busyRow).map((busy) => busy / devices),
        meanUtilisation: lastSeconds === 0 ? 0 : busySeconds / lastSeconds / devices,
        p99WaitSeconds: sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] ?? 0,
        waitsBySize: sizes.flatMap(([size, most], index) => {
          const least = sizes[index - 1]?.[1] ?? 0;
          const of = waits.filter((wait) => wait.size > least && wait.size <= most);
          const sum = of.reduce((total, { seconds }) => total + seconds, 0);
          return of.length === 0 ? [] : [{ size, jobs: of.length, meanWaitSeconds: sum / of.length }];
        }),
        heat: Array.from(held, (each, row) =>
          grid.averages(heatRow + row).map((busy) => (each === 0 ? 0 : busy / each)),
        ),
        heatRows: Array.from(held, (_, row) => nameOf(row)),
      };
    },
  };
}
