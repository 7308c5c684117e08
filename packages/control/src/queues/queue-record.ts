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
  /** How its workloads are ordered; missing = as the queue above, its pool or the platform's policy says. */
  readonly policy?: string;
  /** Where its workloads run, one of the policy's pools; missing = as the queue above says, else anywhere. */
  readonly pool?: string;
  /** Most it may have beyond what it deserves, and most it lends of that; missing = no bound. */
  readonly borrowing?: ShareRecord;
  readonly lending?: ShareRecord;
  /** What it deserves is had together: so many devices on each of so many nodes. */
  readonly shape?: { readonly nodes: number; readonly devices: number };
  /** A workload running for less is not evicted. */
  readonly minRuntimeMs?: number;
}
