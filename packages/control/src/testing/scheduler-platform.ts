/** The live scheduler over a store in memory and two machines, with a clock that the test turns. */
import { createManualClock } from '@gantry/kit';
import type { NodeLive } from '@gantry/scheduling';
import type { Deps } from '../deps.ts';
import { createHub } from '../hub.ts';
import type { Progress } from '../jobs/live-progress.ts';
import { createScheduler } from '../scheduling/scheduler.ts';
import { watchWrites } from '../scheduling/watch-writes.ts';
import { GIB, insertMachines, insertQueue, tenantId } from './cluster-rows.ts';
import { createMemoryStore } from './memory-store.ts';

export async function schedulerPlatform(
  options: {
    devices?: number;
    isWatched?: boolean;
    live?: () => ReadonlyMap<string, NodeLive>;
  } = {},
) {
  const memory = createMemoryStore();
  const store = watchWrites(memory);
  const clock = createManualClock(1_000_000);
  const errors: object[] = [];
  const started: string[] = [];
  const stopped: string[] = [];
  const progress = new Map<string, Progress>();
  const log = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields: object) => void errors.push(fields),
  };
  let port = 20_000;
  const deps = { store, clock, log, places: { freePort: async () => port++ } } as unknown as Deps;
  const hub = createHub();
  await store.tx({ platform: true }, async (tx) => {
    await insertMachines(tx, [{ name: 'n1' }, { name: 'n2' }], options.devices ?? 4);
    await insertQueue(tx);
  });
  const open = () =>
    createScheduler(
      deps,
      hub,
      {
        jobs: {
          ensureStarted: async (id: string) => void started.push(id),
          progressOf: (id: string) => progress.get(id),
          stop: async (id: string) => void stopped.push(id),
        } as never,
        ensureReplica: async () => undefined,
      },
      {
        ...(options.isWatched === false ? {} : { writes: store }),
        ...(options.live === undefined ? {} : { live: options.live }),
      },
    );
  let scheduler = open();
  /** Another server goes on with the same store. */
  const restart = async (): Promise<void> => {
    await scheduler[Symbol.asyncDispose]();
    scheduler = open();
  };
  const submit = (id: string, gpu: number, more: object = {}): Promise<unknown> =>
    store.tx({ platform: true }, (tx) =>
      tx.insert({
        kind: 'job',
        id,
        tenantId,
        name: id,
        state: 'queued',
        spec: {
          queueId: 'que_1',
          queue: 'default',
          user: 'u',
          job: {
            priority: 0,
            preemptible: true,
            timeLimit: 3_600_000,
            resources: { cpu: 1, memory: GIB, gpu },
            ...more,
          },
        },
        status: { attempts: [], userRetriesUsed: 0, platformRestarts: 0 },
      }),
    );
  const job = (id: string) => store.read({ platform: true }, (tx) => tx.get('job', id));
  const round = async (): Promise<void> => {
    scheduler.poke();
    await scheduler.idle();
  };
  return {
    memory,
    store,
    get scheduler() {
      return scheduler;
    },
    submit,
    job,
    round,
    restart,
    errors,
    started,
    stopped,
    clock,
    progress,
  };
}
