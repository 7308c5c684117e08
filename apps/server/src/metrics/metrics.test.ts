import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { type ExposedFamily, parseExposition } from '../testing/parse-exposition.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer();
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

const scrape = async (path: '/metrics' | '/metrics/jobs'): Promise<ReadonlyMap<string, ExposedFamily>> => {
  const { status, headers, text } = await home.ask('GET', path, { key: home.operatorKey });
  expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  return parseExposition(text);
};

/** Reports a step like a trainer, keeps a core busy, and ends when it is told to. */
const busyJob = (name: string) => ({
  name,
  command: `echo '{"type":"progress","at":"2026-01-01T00:00:00Z","step":7,"totalSteps":9,"loss":1.5,"tokensPerSecond":640,"etaSeconds":3,"learningRate":0.25}' >> "$GANTRY_REPORT_FILE"; while :; do :; done`,
  resources: { cpu: 0.1, memory: 64 * 1024 ** 2 },
});

describe('/metrics', () => {
  test('holds every state of every kind, also where there is none, and says what the platform has', async () => {
    const families = await scrape('/metrics');
    const states = (name: string) => families.get(name)?.samples.map(({ labels }) => labels['state']);
    expect(states('gantry_jobs')).toEqual(expect.arrayContaining(['queued', 'running', 'failed']));
    expect(states('gantry_nodes')).toEqual(expect.arrayContaining(['ready', 'quarantined']));
    for (const name of [
      'gantry_store_up',
      'gantry_data_free_bytes',
      'gantry_capacity_cpus',
      'process_resident_memory_bytes',
      'process_open_fds',
    ])
      expect([name, families.get(name)?.samples[0]?.value]).toEqual([name, expect.any(Number)]);
    expect(families.get('gantry_store_up')?.samples).toEqual([
      { name: 'gantry_store_up', labels: {}, value: 1 },
    ]);
  });

  test('has as many series as there are routes, whatever paths and names callers think of', async () => {
    const sizes: number[] = [];
    await scrape('/metrics');
    for (let round = 0; round < 2; round += 1) {
      for (let index = 0; index < 5; index += 1) {
        const made = `made-up-${round}-${index}`;
        await home.ask('GET', `/api/v1/jobs/${made}`, { key: home.operatorKey });
        await home.ask('GET', `/${made}`, { headers: { 'x-request-id': made } });
        await home.ask('GET', '/api/v1/jobs', { key: made });
      }
      const families = await scrape('/metrics');
      sizes.push([...families.values()].reduce((total, { samples }) => total + samples.length, 0));
      expect(JSON.stringify([...families.values()])).not.toContain('made-up');
    }
    expect(sizes[1]).toBe(sizes[0]);
  });

  test('says who waits, by reason, by queue and by the order of the queue', async () => {
    await home.operator.call('queues.create', { body: { name: 'capped', limit: { cpu: 1 } } });
    await home.operator.call('scheduling.setQueue', { params: { name: 'capped' }, body: { order: 'las' } });
    const waits = { command: ['true'], queue: 'capped', waitForCapacity: true, resources: { cpu: 2 } };
    await home.operator.call('jobs.submit', { body: { name: 'too-wide', ...waits } });
    await home.server.platform.scheduler.idle();
    const families = await scrape('/metrics');
    const by = (name: string) =>
      Object.fromEntries(
        (families.get(name)?.samples ?? []).map(({ labels, value }) => [Object.values(labels)[0], value]),
      );
    expect(by('gantry_workloads_waiting')).toEqual({ exceeds_queue_limit: 1 });
    expect(by('gantry_queue_workloads_waiting')).toEqual({ capped: 1 });
    expect(by('gantry_policy_workloads_waiting')).toEqual({ las: 1 });
    expect(families.get('gantry_scheduler_evictions_by_reason_total')?.type).toBe('counter');
    await home.operator.call('jobs.cancel', { params: { name: 'too-wide' } });
  });

  test('counts answers by route and status', async () => {
    const count = async (): Promise<number> =>
      (await scrape('/metrics'))
        .get('gantry_http_requests_total')
        ?.samples.find(
          ({ labels }) => labels['route'] === '/api/v1/users/:name' && labels['status'] === '404',
        )?.value ?? 0;
    const before = await count();
    await home.ask('GET', '/api/v1/users/nobody', { key: home.operatorKey });
    expect(await count()).toBe(before + 1);
  });
});

describe('/metrics/jobs', () => {
  test('shows use and progress of running jobs, told apart by tenant, and nothing of ended ones', async () => {
    await home.operator.call('tenants.create', { body: { name: 'second' } });
    const strangerKey = await home.keyOf('second', 'stranger', 'member');
    await home.operator.call('jobs.submit', { body: busyJob('twin') });
    await home.operator.call('jobs.submit', { body: { name: 'over', command: 'true' } });
    const theirs = await home.ask('POST', '/api/v1/jobs', { key: strangerKey, body: busyJob('twin') });
    expect(theirs.status).toBe(201);

    const shown = async (): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>> => {
      const families = await scrape('/metrics/jobs');
      const found: Record<string, Record<string, number>> = {};
      for (const { name, samples } of families.values())
        for (const { labels, value } of samples)
          found[name] = { ...found[name], [`${labels['tenant']}/${labels['job']}`]: value };
      return found;
    };
    const both = <T>(value: T) => ({ 'default/twin': value, 'second/twin': value });
    await expect.poll(shown, { timeout: 60_000 }).toMatchObject({
      gantry_job_step: both(7),
      gantry_job_loss: both(1.5),
      gantry_job_learning_rate: both(0.25),
      gantry_job_tokens_per_second: both(640),
      gantry_job_ranks: both(1),
      gantry_job_memory_bytes: both(expect.any(Number)),
      gantry_job_cpu_cores: both(expect.any(Number)),
      gantry_job_cpu_utilisation_ratio: both(expect.any(Number)),
    });
    await expect
      .poll(async () => (await shown())['gantry_job_cpu_cores']?.['default/twin'], {
        timeout: 60_000,
        interval: 700,
      })
      .toBeGreaterThan(0.01);
    expect(Object.values(await shown()).flatMap((series) => Object.keys(series))).not.toContain(
      'default/over',
    );

    await home.operator.call('jobs.cancel', { params: { name: 'twin' } });
    await home.ask('POST', '/api/v1/jobs/twin/cancel', { key: strangerKey });
    await expect.poll(shown, { timeout: 60_000 }).toEqual({});
  }, 180_000);
});

describe('who may scrape', () => {
  test('from this machine everybody while one tenant lives here, whose jobs share its network', async () => {
    await using alone = await startMemoryServer();
    const statuses = async () => [
      (await alone.ask('GET', '/metrics')).status,
      (await alone.ask('GET', '/metrics/jobs')).status,
      (await alone.ask('GET', '/metrics', { key: alone.operatorKey })).status,
    ];
    expect(await statuses()).toEqual([200, 200, 200]);
    await alone.operator.call('tenants.create', { body: { name: 'second' } });
    expect(await statuses()).toEqual([401, 401, 200]);
  });

  test('through a proxy only an operator', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    const memberKey = await home.keyOf('default', 'scraper', 'admin');
    for (const path of ['/metrics', '/metrics/jobs']) {
      expect((await home.ask('GET', path, { headers })).status).toBe(401);
      expect((await home.ask('GET', path, { headers, key: memberKey })).status).toBe(403);
      expect((await home.ask('GET', path, { headers, key: home.operatorKey })).status).toBe(200);
    }
    const { port } = new URL(home.server.url);
    const rebound = await new Promise<number | undefined>((resolve) =>
      get({ port, path: '/metrics', headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }),
    );
    expect(rebound).toBe(401);
    expect((await home.ask('GET', '/healthz', { headers })).status).toBe(200);
    expect((await home.ask('GET', '/readyz', { headers })).status).toBe(200);
  });
});
