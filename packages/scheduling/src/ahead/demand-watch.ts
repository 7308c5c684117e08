/** What every queue uses and waits for, cycle by cycle and from the past, and the peaks that capacity is kept for. */
import type { ExpectedPeak, Snapshot, Workload } from '../snapshot.ts';
import { DemandForecast } from './demand-forecast.ts';
import { type AheadOptions, PeakBook } from './peak-book.ts';

/** Devices that a job of the past held. */
interface PastUse {
  readonly queueId: string;
  readonly devices: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export class DemandWatch {
  readonly options: AheadOptions;
  readonly #book: PeakBook;

  constructor(options: AheadOptions, past: readonly PastUse[]) {
    this.options = options;
    this.#book = new PeakBook(new DemandForecast(), options);
    const steps = past.flatMap(({ queueId, devices, fromMs, toMs }) => [
      { queueId, atMs: fromMs, by: devices },
      { queueId, atMs: toMs, by: -devices },
    ]);
    const used = new Map<string, number>();
    for (const { queueId, atMs, by } of steps.sort(
      (one, other) => one.atMs - other.atMs || one.by - other.by,
    )) {
      const devices = Math.max(0, (used.get(queueId) ?? 0) + by);
      used.set(queueId, devices);
      this.#book.observe(queueId, atMs, devices);
    }
  }

  /** Peaks by queue, as of this moment. */
  look({ nowMs, nodes, queues, workloads }: Snapshot): ReadonlyMap<string, readonly ExpectedPeak[]> {
    const wanted = new Map(queues.map(({ id }) => [id, 0]));
    for (const workload of workloads)
      wanted.set(workload.queueId, (wanted.get(workload.queueId) ?? 0) + devicesOf(workload));
    for (const [queueId, devices] of wanted) this.#book.observe(queueId, nowMs, devices);
    const devices = nodes.reduce((sum, node) => sum + node.devices.length, 0);
    return this.#book.expected(nowMs, devices);
  }
}

function devicesOf({ allocation, held, taskGroups }: Workload): number {
  if (allocation !== undefined) return allocation.reduce((sum, { deviceIds }) => sum + deviceIds.length, 0);
  if (held !== undefined) return 0;
  return taskGroups.reduce((sum, { count, request }) => sum + count * request.devices, 0);
}
