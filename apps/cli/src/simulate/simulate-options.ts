export const traceKinds = ['openb', 'philly', 'itp', 'pollux', 'gavel'] as const;

export interface SimulateOptions {
  readonly trace?: (typeof traceKinds)[number];
  readonly fromServer?: boolean;
  readonly nodes?: string;
  readonly pods?: string;
  readonly placement: string;
  readonly seeds: number;
  readonly jobs?: string;
  readonly gpus?: number;
  readonly gpusPerNode: number;
  readonly workload?: string;
  readonly applications?: string;
  readonly throughputs?: string;
  readonly cluster?: string;
  readonly policy?: string;
  readonly last: string;
  readonly addNodes?: string;
  readonly withoutNodes?: string;
  readonly quota?: string;
  readonly rules?: string;
  readonly arrivalRate: number;
  readonly html?: string;
}
