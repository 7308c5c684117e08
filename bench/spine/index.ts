/** What an idle platform costs and how fast it answers; every bar is absolute (architecture: numbers to hold). */
import { readFileSync, readdirSync } from 'node:fs';
import { createId } from '@gantry/kit';
import { createClient } from '@gantry/sdk';
import { openStore } from '@gantry/store';
import type { BenchLine } from '../bench-line.ts';
import { startServer, withDataDir } from '../server.ts';

const median = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

const line = (name: string, rounds: readonly number[], bar: number, unit: string): BenchLine => {
  const ours = Math.round(median(rounds) * 10) / 10;
  return {
    bench: 'spine',
    case: name,
    ours,
    peer: undefined,
    peerName: undefined,
    better: 'less',
    bar: `<= ${bar}`,
    pass: ours <= bar,
    unit,
    rounds,
  };
};

/** From the request leaving the client to the reconciler's word that every rank runs, on an idle machine. */
async function submitToRunning(): Promise<BenchLine[]> {
  return withDataDir(async (dataDir) => {
    await using server = await startServer(dataDir);
    const client = createClient({ baseUrl: server.url, key: server.key });
    const times: number[] = [];
    for (let round = 0; round < 15; round += 1) {
      const sentMs = Date.now();
      const job = await client.call('jobs.submit', { body: { command: ['sleep', '0.2'] } });
      for await (const { event, data } of client.watch('jobs.watch', { params: { name: job.name } })) {
        const { startedAt } = data as { startedAt?: string };
        if (event === 'job' && startedAt !== undefined && times.length === round)
          times.push(Date.parse(startedAt) - sentMs);
      }
    }
    return [line('submit-to-running', times, 150, 'ms')];
  });
}

/** Proportional memory of the server and of every process of its database, after it has been idle. */
async function idleMemory(): Promise<BenchLine[]> {
  return withDataDir(async (dataDir) => {
    await using server = await startServer(dataDir);
    await createClient({ baseUrl: server.url, key: server.key }).call('status.get', {});
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const pids = [
      server.pid,
      ...readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .filter((pid) => isPostgres(pid)),
    ];
    const bytes = pids.reduce((sum, pid) => sum + proportionalBytes(pid), 0);
    return [line('idle-memory', [bytes / 1e6], 300, 'MB')];
  });
}

function isPostgres(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
  } catch {
    return false;
  }
}

function proportionalBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** A page of 50 among 100,000 jobs, deep in the list, on a real Postgres. */
async function page(): Promise<BenchLine[]> {
  return withDataDir(async (dataDir) => {
    await using store = await openStore({ kind: 'embedded', dataDir });
    for (let batch = 0; batch < 100; batch += 1) {
      await store.tx({ tenantId: 'ten_bench' }, async (tx) => {
        for (let index = 0; index < 1_000; index += 1) {
          const id = createId('job', 1_700_000_000_000 + batch * 1_000 + index);
          await tx.insert({
            kind: 'job',
            id,
            tenantId: 'ten_bench',
            name: `j-${batch}-${index}`,
            state: 'succeeded',
            spec: { command: 'true' },
            status: {},
          });
        }
      });
    }
    const times: number[] = [];
    let cursor: string | undefined;
    for (let round = 0; round < 200; round += 1) {
      const startedMs = performance.now();
      const found = await store.read({ tenantId: 'ten_bench' }, (tx) =>
        tx.list('job', {
          tenantId: 'ten_bench',
          limit: 50,
          newestFirst: true,
          ...(cursor === undefined ? {} : { cursor }),
        }),
      );
      times.push(performance.now() - startedMs);
      cursor = found.nextCursor;
    }
    return [line('page-of-50-in-100k', times, 10, 'ms')];
  });
}

/** Ready again with 1,000 queued jobs that all have to be looked at. */
async function restart(): Promise<BenchLine[]> {
  return withDataDir(async (dataDir) => {
    {
      await using server = await startServer(dataDir);
      const client = createClient({ baseUrl: server.url, key: server.key });
      await client.call('nodes.act', {
        params: { name: (await client.call('nodes.list', {})).items[0]?.name ?? '', action: 'cordon' },
      });
      for (let index = 0; index < 1_000; index += 1)
        await client.call('jobs.submit', {
          body: { command: 'true', name: `live-${index}`, waitForCapacity: true },
        });
    }
    const times: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      await using server = await startServer(dataDir);
      times.push(server.readyMs);
    }
    return [line('restart-1000-live', times, 2_000, 'ms')];
  });
}

export const cases: Record<string, () => Promise<BenchLine[]>> = {
  'submit-to-running': submitToRunning,
  'idle-memory': idleMemory,
  page,
  restart,
};
