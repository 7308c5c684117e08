/** A worker's command as its shim holds it: a process behind walls, or a container. */
import type { ExitRecord } from './worker-files.ts';

export interface CommandEnd extends Pick<ExitRecord, 'code' | 'signal' | 'cause' | 'message'> {
  /** How often its limit of processes refused another one. */
  readonly refusedProcesses?: number;
}

export interface RunningCommand {
  /** Its first process as this machine counts them. */
  readonly pid: number | undefined;
  /** To all of it. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Resolves once nothing of it runs any more; a limit that ended it is the cause. */
  readonly ended: Promise<CommandEnd>;
  /** Gives back what held it; false while something of it still ends. */
  bury(): boolean;
}

export type Beginning = RunningCommand | { readonly notBegun: CommandEnd };
