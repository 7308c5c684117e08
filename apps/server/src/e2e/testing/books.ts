/**
 * The platform's own events, read as an auditor would: how much was held at every moment (never more than
 * there is), and for how long each attempt and replica held it (exactly what the ledger says).
 */
import type { Event, Job } from '@gantry/contract';
import type { Client } from '@gantry/sdk';

interface Held {
  readonly cpu: number;
  readonly sinceMs: number;
}

export interface Books {
  /** Reads on and answers what was wrong since the last time. Ends may have waited so long for their database. */
  audit(client: Client, jobs: readonly Job[], lateSeconds: number): Promise<readonly string[]>;
  /** CPU-seconds of replicas that have ended, from their events. */
  readonly replicaSeconds: number;
  readonly mostHeld: number;
}

/** Commit times stand for times of writing: a loaded machine may put this much between them. */
const toleranceSeconds = 10;

export function createBooks(capacityCpu: number, replicaCpu: number): Books {
  const held = new Map<string, Held>();
  const secondsOf = new Map<string, number>();
  const placedOf = new Map<string, number>();
  const cpuOf = new Map<string, number>();
  let readTo = 0;
  const books = { replicaSeconds: 0, mostHeld: 0 };

  const total = (): number => [...held.values()].reduce((sum, { cpu }) => sum + cpu, 0);

  const close = (event: Event): void => {
    const was = held.get(event.resourceId);
    held.delete(event.resourceId);
    if (was === undefined) return;
    const seconds = ((Date.parse(event.at) - was.sinceMs) / 1_000) * was.cpu;
    if (event.kind === 'replica') books.replicaSeconds += seconds;
    secondsOf.set(event.resourceId, (secondsOf.get(event.resourceId) ?? 0) + seconds);
  };

  const follow = (event: Event, wrong: string[]): void => {
    if (event.type === 'job.placed' || event.type === 'replica.placed') {
      // A gang that changes its size goes on at once.
      if (event.from === 'stopping') close(event);
      const ranks = Number(event.reason?.['ranks'] ?? 1);
      const cpu = event.kind === 'replica' ? replicaCpu : ranks * (cpuOf.get(event.resourceId) ?? 0);
      if (held.has(event.resourceId)) wrong.push(`${event.resourceId} was placed while it was placed`);
      held.set(event.resourceId, { cpu, sinceMs: Date.parse(event.at) });
      placedOf.set(event.resourceId, (placedOf.get(event.resourceId) ?? 0) + 1);
      books.mostHeld = Math.max(books.mostHeld, total());
      if (total() > capacityCpu + 1e-9)
        wrong.push(`event ${event.seq}: ${total()} CPUs held of ${capacityCpu}`);
    } else if (
      event.kind === 'replica'
        ? event.to === 'ended'
        : event.kind === 'job' &&
          ['queued', 'suspended', 'succeeded', 'failed', 'cancelled'].includes(event.to ?? '')
    )
      close(event);
  };

  return {
    get replicaSeconds() {
      return books.replicaSeconds;
    },
    get mostHeld() {
      return books.mostHeld;
    },
    audit: async (client, jobs, lateSeconds) => {
      const wrong: string[] = [];
      for (const job of jobs) cpuOf.set(job.id, (job.spec as { resources: { cpu: number } }).resources.cpu);
      const fresh: Event[] = [];
      for await (const event of client.pages('events.list', { query: { limit: 200 } })) {
        if (event.seq <= readTo) break;
        fresh.push(event);
      }
      fresh.sort((one, other) => one.seq - other.seq);
      readTo = fresh.at(-1)?.seq ?? readTo;
      for (const event of fresh) follow(event, wrong);

      const { items } = await client.call('usage.report', { query: { by: 'job' } });
      for (const job of jobs) {
        const billed = items
          .filter(({ key, resource }) => resource === 'cpu_seconds' && [job.id, job.name].includes(key))
          .reduce((sum, { quantity }) => sum + quantity, 0);
        const cpu = cpuOf.get(job.id) ?? 0;
        const attempted = job.attempts.reduce(
          (sum, { placedAt, endedAt, placement }) =>
            sum + ((Date.parse(endedAt ?? '') - Date.parse(placedAt ?? '')) / 1_000) * placement.length * cpu,
          0,
        );
        if (!(Math.abs(billed - attempted) < 1e-6))
          wrong.push(`${job.name}: ${billed} CPU-seconds billed, its attempts took ${attempted}`);
        if (Math.abs(billed - (job.deviceSeconds ?? 0)) > 1e-6)
          wrong.push(`${job.name}: ${billed} CPU-seconds billed, the job says ${job.deviceSeconds}`);
        if (placedOf.get(job.id) !== job.attempts.length)
          wrong.push(`${job.name}: ${job.attempts.length} attempts, ${placedOf.get(job.id)} placements`);
        const told = secondsOf.get(job.id) ?? 0;
        const ranks = Math.max(...job.attempts.map(({ placement }) => placement.length));
        const within = (seconds: number): number => seconds * cpu * ranks * job.attempts.length;
        if (
          billed - told > within(toleranceSeconds) ||
          told - billed > within(toleranceSeconds + lateSeconds)
        )
          wrong.push(`${job.name}: ${billed} CPU-seconds billed, its events say ${told}`);
      }
      return wrong;
    },
  };
}
