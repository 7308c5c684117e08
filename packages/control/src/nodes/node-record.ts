/** A machine as inventory reported it. */
export interface NodeSpecRecord {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly storageBytes: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Outermost level first, the host last. */
  readonly topology: readonly string[];
  readonly address: string;
  readonly devices: readonly {
    readonly id: string;
    readonly kind: string;
    readonly model: string;
    readonly memoryBytes: number;
    readonly island?: string;
    readonly healthy: boolean;
    readonly index?: number;
  }[];
  readonly facts: Readonly<Record<string, unknown>>;
}
