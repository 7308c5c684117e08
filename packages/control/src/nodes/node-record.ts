/** A machine as inventory reported it: what lasts. Readings that change by the second stay in memory. */
export interface NodeSpecRecord {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly storageBytes: number;
  readonly labels: Readonly<Record<string, string>>;
  /** What operators say of it: their labels go before ours. */
  readonly given?: {
    readonly labels: Readonly<Record<string, string>>;
    readonly taints: readonly TaintRecord[];
  };
  /** Outermost level first, the host last. */
  readonly topology: readonly string[];
  readonly address: string;
  readonly devices: readonly DeviceRecord[];
  /** One a NUMA node. */
  readonly sockets?: readonly SocketRecord[];
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface TaintRecord {
  readonly key: string;
  readonly value?: string | undefined;
  readonly effect: 'NoSchedule' | 'NoExecute';
}

export const nodeLabels = ({ labels, given }: NodeSpecRecord): Readonly<Record<string, string>> => ({
  ...labels,
  ...given?.labels,
});

export interface DeviceRecord {
  readonly id: string;
  readonly kind: string;
  readonly model: string;
  readonly memoryBytes: number;
  readonly memoryReservedBytes?: number;
  readonly island?: string;
  readonly healthy: boolean;
  /** Why it is unfit, in words; empty while it is fit. */
  readonly healthProblems?: readonly string[];
  readonly index?: number;
  readonly numaNode?: number;
  readonly migEnabled?: boolean;
  /** Of a slice of a divided GPU, like `1g.10gb`. */
  readonly profile?: string;
  /** Link to each other device by its index: NV18, PIX, PXB, PHB, NODE, SYS. */
  readonly links?: Readonly<Record<string, string>>;
}

export interface SocketRecord {
  readonly id: string;
  readonly numaNode: number;
  readonly model: string;
  readonly cores: number;
  readonly memoryBytes: number;
}

export interface NodeStatusRecord {
  /** Inventory took it out, so inventory may bring it back; an operator's word stands until an operator's word. */
  readonly quarantinedBy?: 'inventory';
}
