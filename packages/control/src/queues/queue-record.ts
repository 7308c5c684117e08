/** Shares in the scheduler's units: whole devices, milli-CPU, bytes. */
export interface ShareRecord {
  readonly devices?: number;
  readonly cpuMilli?: number;
  readonly memoryBytes?: number;
  readonly storageBytes?: number;
}

export interface QueueSpecRecord {
  readonly deserved: ShareRecord;
  readonly limit: ShareRecord;
  readonly weight: number;
  readonly priority: number;
}
