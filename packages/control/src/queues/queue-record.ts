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
  /** How its workloads are ordered; missing = as the platform's policy says. */
  readonly policy?: string;
  /** A workload running for less is not evicted. */
  readonly minRuntimeMs?: number;
}
