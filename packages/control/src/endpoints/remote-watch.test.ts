import { expect, it } from 'vitest';
import { type RemoteSight, type RemoteTarget, type SeenServer, watchRemote } from './remote-watch.ts';

const target = { url: 'http://a', engine: 'openai', mayBePrivate: false } as const;

/** Plays what one server says, look by look, and tells what was told of it. */
async function watched(looks: readonly RemoteSight[], renewed: RemoteTarget = target) {
  const stop = new AbortController();
  const told: (readonly SeenServer[])[] = [];
  const capacityAsked: boolean[] = [];
  let at = 0;
  await watchRemote({
    targets: [target],
    signal: stop.signal,
    look: async (_target, withCapacity) => {
      capacityAsked.push(withCapacity);
      const sight = looks[at++] ?? expect.fail('looked too often');
      return sight;
    },
    wait: async () => {
      if (at >= looks.length) stop.abort();
    },
    renew: async () => [renewed],
    onChange: async (servers) => void told.push(servers),
  });
  return { states: told.map(([server]) => server?.sight.state), capacityAsked, last: told.at(-1)?.[0] };
}

it('tells of a server once it is ready, with the capacity that it was asked for then', async () => {
  const { states, capacityAsked, last } = await watched([
    { state: 'unready' },
    { state: 'ready', slots: 8 },
    { state: 'ready' },
  ]);
  expect(states).toEqual(['unready', 'ready']);
  expect(capacityAsked).toEqual([true, true, false]);
  expect(last?.sight).toEqual({ state: 'ready', slots: 8 });
});

it('lets a ready server miss two looks, and not three', async () => {
  const gone = { state: 'unreachable' } as const;
  const ready = { state: 'ready' } as const;
  expect((await watched([ready, gone, gone, ready])).states).toEqual(['ready']);
  expect((await watched([ready, gone, gone, gone])).states).toEqual(['ready', 'unreachable']);
  expect((await watched([ready, { state: 'unready' }])).states).toEqual(['ready', 'unready']);
});

it('looks again with new credentials where the old ones were refused', async () => {
  const renewed = { ...target, bearer: 'new' };
  const { states, last } = await watched([{ state: 'refused' }, { state: 'ready' }], renewed);
  expect(states).toEqual(['refused', 'ready']);
  expect(last?.target).toEqual(renewed);
});
