/**
 * A runner without processes: a worker is a timer that ends as its command says, so that hundreds of machines fit into
 * one. It keeps its own diary and says where the platform broke a promise towards it. Like the shims of real workers
 * it outlives the server: to a new one it tells again what was not acknowledged. Faults are drawn from the seed.
 */
import type { ExitClass } from '@gantry/contract';
import { type AbortableQueue, type Random, createAbortableQueue, createRandom } from '@gantry/kit';
import type { ListedWorker, Runner, WorkerEvent, WorkerSpec } from '@gantry/ports';

/** How an attempt's first rank ends by itself; the others end well when they are not stopped before. */
export type OwnEnd = Extract<ExitClass, 'done' | 'user_error' | 'out_of_memory'> | 'lost';

/** What the command of a simulated job says: `['simulated', JSON]`. */
export interface Script {
  readonly forMs: number;
  /** One an attempt that came to its own end; the last one goes on for ever. */
  readonly ends: readonly OwnEnd[];
  /** Does not listen to SIGTERM: ends when its grace is over. */
  readonly isStubborn: boolean;
}

interface SimulatedWorker {
  readonly spec: WorkerSpec;
  readonly script: Script;
  state: ListedWorker['state'];
  isAcknowledged: boolean;
  isStopping: boolean;
  timer: NodeJS.Timeout | undefined;
  /** Told so far, for a server that comes later. */
  readonly told: WorkerEvent[];
}

export interface SimulatedRunner extends Runner {
  /** Promises that were broken towards the workers. */
  readonly wrong: readonly string[];
  /** How the ranks of an attempt ended, as the workers know it. */
  endsOf(attemptId: string): readonly (ExitClass | 'lost')[];
  readonly running: number;
}

/** How often a start fails, and how often an event is told a second time. */
const usualFaults = { startFails: 0.01, toldTwice: 0.05 };

export function createSimulatedRunner(seed: number, faults = usualFaults): SimulatedRunner {
  const random: Random = createRandom(seed);
  const workers = new Map<string, SimulatedWorker>();
  const byJob = new Map<string, SimulatedWorker[]>();
  const ownEnds = new Map<string, number>();
  const ends = new Map<string, (ExitClass | 'lost')[]>();
  const wrong: string[] = [];
  let listener: AbortableQueue<WorkerEvent> | undefined;

  const tell = (worker: SimulatedWorker, event: WorkerEvent): void => {
    worker.told.push(event);
    listener?.push(event);
    if (random.next() < faults.toldTwice) listener?.push(event);
  };

  const end = (worker: SimulatedWorker, how: ExitClass | 'lost'): void => {
    if (worker.state !== 'running') return;
    clearTimeout(worker.timer);
    const { workerId, attemptId } = worker.spec;
    worker.state = how === 'lost' ? 'lost' : 'exited';
    ends.set(attemptId, [...(ends.get(attemptId) ?? []), how]);
    if (how === 'lost') return tell(worker, { type: 'lost', workerId, message: 'its machine is gone' });
    const exit = { exitClass: how, code: undefined, signal: undefined, message: how, stderrTail: [] };
    tell(worker, { type: 'exited', workerId, exit });
  };

  const endByItself = (worker: SimulatedWorker): void => {
    const { jobId, rank } = worker.spec;
    if (rank > 0) return end(worker, 'done');
    const nth = ownEnds.get(jobId) ?? 0;
    ownEnds.set(jobId, nth + 1);
    end(worker, worker.script.ends[Math.min(nth, worker.script.ends.length - 1)] ?? 'done');
  };

  return {
    wrong,
    endsOf: (attemptId) => ends.get(attemptId) ?? [],
    get running() {
      return [...workers.values()].filter(({ state }) => state === 'running').length;
    },
    facts: { mounts: false, ownNetwork: false },
    start: async (spec) => {
      const known = workers.get(spec.workerId);
      if (known !== undefined) return known.told.forEach((event) => listener?.push(event));
      if (random.next() < faults.startFails) throw new Error('the machine does not answer');
      const script = JSON.parse(spec.command[1] ?? '{}') as Script;
      const older = (byJob.get(spec.jobId) ?? []).filter(
        (other) => other.state === 'running' && other.spec.attemptId !== spec.attemptId,
      );
      for (const other of older)
        wrong.push(`${spec.workerId} was started while ${other.spec.workerId} was running`);
      const worker: SimulatedWorker = {
        spec,
        script,
        state: 'running',
        isAcknowledged: false,
        isStopping: false,
        timer: setTimeout(() => endByItself(worker), script.forMs),
        told: [],
      };
      workers.set(spec.workerId, worker);
      byJob.set(spec.jobId, [...(byJob.get(spec.jobId) ?? []), worker]);
      tell(worker, { type: 'started', workerId: spec.workerId, pid: workers.size });
    },
    stop: async (workerId, { graceMs }) => {
      const worker = workers.get(workerId);
      if (worker?.state !== 'running' || worker.isStopping) return;
      worker.isStopping = true;
      clearTimeout(worker.timer);
      const leavesInMs = worker.script.isStubborn ? graceMs : Math.min(graceMs, random.below(10));
      worker.timer = setTimeout(() => end(worker, 'preempted'), leavesInMs);
    },
    list: async (among) =>
      (among ?? [...workers.keys()]).flatMap((workerId) => {
        const worker = workers.get(workerId);
        if (worker === undefined) return [];
        const { state, isAcknowledged, spec } = worker;
        return [{ workerId, jobId: spec.jobId, state, isAcknowledged, isTrimmed: false }];
      }),
    events: (signal) => {
      listener = createAbortableQueue<WorkerEvent>(signal);
      for (const { told, isAcknowledged } of workers.values())
        if (!isAcknowledged) for (const event of told) listener.push(event);
      return listener;
    },
    acknowledge: async (workerId, upTo) => {
      const worker = workers.get(workerId);
      if (worker === undefined || upTo !== 'end') return;
      if (worker.state === 'running') wrong.push(`${workerId} was called ended while it was running`);
      worker.isAcknowledged = true;
    },
    async *readLog() {},
    remove: async (workerId) => void workers.delete(workerId),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
