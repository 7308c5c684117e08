export interface SimulateOptions {
  readonly trace?: 'openb' | 'philly' | 'itp';
  readonly fromServer?: boolean;
  readonly nodes?: string;
  readonly pods?: string;
  readonly placement: string;
  readonly seeds: number;
  readonly jobs?: string;
  readonly gpus?: number;
  readonly gpusPerNode: number;
  readonly policy: string;
  readonly last: string;
  readonly addNodes?: string;
  readonly arrivalRate: number;
  readonly html?: string;
}
