import { describe, expect, test } from 'vitest';
import { createClient } from './client.ts';
import type { ServerEvent } from './server-events.ts';
import { type Turn, fakeServer, pieces, problem } from './testing/fake-server.ts';

const refused = new TypeError('fetch failed');
const frame = (event: string, data: unknown, id?: number): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

function watching(...turns: readonly Turn[]) {
  const server = fakeServer(...turns);
  const waits: number[] = [];
  const client = createClient({
    baseUrl: 'http://there',
    fetch: server.fetch,
    retry: { retries: 0, wait: async (ms) => void waits.push(ms) },
  });
  return { server, client, waits };
}

describe('a feed', () => {
  test('goes on after the last event when its connection breaks', async () => {
    const { server, client } = watching(
      pieces([frame('a', 1, 11), frame('b', 2, 12)], true),
      refused,
      pieces([frame('c', 3, 13)]),
      pieces([frame('end', {})]),
    );
    const seen = await Array.fromAsync(client.watch('events.watch', {}));
    expect(seen.map(({ data }) => data)).toEqual([1, 2, 3, {}]);
    expect(server.asked.map(({ url }) => url)).toEqual([
      '/api/v1/events/watch',
      '/api/v1/events/watch?since=12',
      '/api/v1/events/watch?since=12',
      '/api/v1/events/watch?since=13',
    ]);
  });

  test('that was never there fails at once', async () => {
    const { client, server } = watching(refused);
    await expect(Array.fromAsync(client.watch('events.watch', {}))).rejects.toMatchObject({
      code: 'unreachable',
    });
    expect(server.asked).toHaveLength(1);
  });

  test('gives up on a server that stays away, after longer and longer waits', async () => {
    const { client, waits } = watching(
      pieces([frame('a', 1, 1)], true),
      ...Array.from({ length: 10 }, () => refused),
    );
    await expect(Array.fromAsync(client.watch('events.watch', {}))).rejects.toMatchObject({
      code: 'unreachable',
    });
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000]);
  });
});

describe('a watch of one resource', () => {
  const watchJob = (...turns: readonly Turn[]) => {
    const { client, server } = watching(...turns);
    return { server, events: client.watch('jobs.watch', { params: { name: 'x' } }) };
  };

  test('starts with what is there after a break, and ends with the resource', async () => {
    const { server, events } = watchJob(
      pieces([frame('job', { state: 'queued' }, 1)], true),
      pieces([frame('job', { state: 'failed' }, 2), frame('end', {})]),
    );
    expect((await Array.fromAsync(events)).map(({ event }) => event)).toEqual(['job', 'job', 'end']);
    expect(server.asked.map(({ url }) => url)).toEqual(['/api/v1/jobs/x/watch', '/api/v1/jobs/x/watch']);
  });

  test('that becomes somebody else’s fails with what the server says', async () => {
    const { events } = watchJob(pieces([frame('job', {}, 1)], true), problem(404, 'not_found'));
    await expect(Array.fromAsync(events)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('whose server says why it cannot go on asks again, or fails where that is for good', async () => {
    const { events } = watchJob(
      pieces([frame('error', { code: 'store_unavailable', message: 'away' })]),
      pieces([frame('error', { code: 'internal', message: 'broken' })]),
    );
    await expect(Array.fromAsync(events)).rejects.toMatchObject({ code: 'internal', message: 'broken' });
  });

  test('is left by its signal, also between two connections', async () => {
    const leaving = new AbortController();
    const { client } = watching(pieces([frame('job', {}, 1)], true), () => {
      leaving.abort(new Error('left'));
      return refused;
    });
    const events = client.watch('jobs.watch', { params: { name: 'x' } }, { signal: leaving.signal });
    await expect(Array.fromAsync(events)).rejects.toThrow('left');
  });
});

describe('frames', () => {
  test.each([
    ['in one piece', 1_000],
    ['byte by byte', 1],
  ])('%s', async (_how, size) => {
    const bytes = new TextEncoder().encode(
      `${frame('a', { x: 'ü' }, 1)}: still here\n\n${frame('b', [2])}${frame('end', {})}`,
    );
    const count = Math.ceil(bytes.length / size);
    const parts = Array.from({ length: count }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    const { client } = watching(pieces(parts));
    const seen: ServerEvent[] = await Array.fromAsync(client.watch('events.watch', {}));
    expect(seen.slice(0, 2)).toEqual([
      { event: 'a', id: '1', data: { x: 'ü' } },
      { event: 'b', id: undefined, data: [2] },
    ]);
  });

  test('half a frame at the end is no event', async () => {
    const { client } = watching(pieces(['event: a\ndata: 1\n'], true), problem(404, 'not_found'));
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const { data } of client.watch('events.watch', {})) seen.push(data);
    };
    await expect(read()).rejects.toMatchObject({ code: 'not_found' });
    expect(seen).toEqual([]);
  });
});
