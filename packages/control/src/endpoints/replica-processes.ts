import type { Cause, EngineEnd } from './engine-end.ts';

/**
 * The processes of replicas: one each, or the ranks of a gang, which live and end together. A replica has ended when
 * its last process has; why is said by the one that was the cause. Nothing here starts or stops anything: who asks is told what to do.
 */
export interface ProcessEnd {
  readonly replicaId: string;
  /** Ranks that are of no use any more. */
  readonly stop: readonly string[];
  /** All of them have ended, the one that was the cause with this message. */
  readonly ended?: { readonly message: string; readonly workerIds: readonly string[] };
}

interface Processes {
  readonly workerIds: readonly string[];
  readonly ended: Set<string>;
  /** What the gang ended of, as far as is known. */
  why?: EngineEnd;
}

const heaviest: readonly Cause[] = ['taken', 'itself', 'asked'];

export class ReplicaProcesses {
  readonly #replicas = new Map<string, Processes>();
  readonly #byWorker = new Map<string, string>();

  /** `workerIds`: in the order of ranks. What is known already stays as it is. */
  keep(replicaId: string, workerIds: readonly string[]): void {
    if (this.#replicas.has(replicaId)) return;
    this.#replicas.set(replicaId, { workerIds, ended: new Set() });
    for (const workerId of workerIds) this.#byWorker.set(workerId, replicaId);
  }

  replicaOf(workerId: string): string | undefined {
    return this.#byWorker.get(workerId);
  }

  /** Undefined for a worker that is nobody's. An end that is told again changes nothing. */
  end(workerId: string, { cause, message }: EngineEnd): ProcessEnd | undefined {
    const replicaId = this.#byWorker.get(workerId);
    const processes = replicaId === undefined ? undefined : this.#replicas.get(replicaId);
    if (replicaId === undefined || processes === undefined) return undefined;
    const { workerIds, ended } = processes;
    ended.add(workerId);
    const { why } = processes;
    if (why === undefined || heaviest.indexOf(cause) < heaviest.indexOf(why.cause)) {
      const isGang = workerIds.length > 1;
      processes.why = {
        cause,
        message: isGang ? `rank ${workerIds.indexOf(workerId)}: ${message}` : message,
      };
    }
    const stop = workerIds.filter((each) => !ended.has(each));
    if (stop.length > 0) return { replicaId, stop };
    this.#replicas.delete(replicaId);
    for (const each of workerIds) this.#byWorker.delete(each);
    return { replicaId, stop, ended: { message: processes.why?.message ?? message, workerIds } };
  }
}
