import { GantryError } from '@gantry/contract';
import { createDeferred } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import { expect, it, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import type { AttemptRecord } from './job-record.ts';
import { OnDemandFiles } from './on-demand-files.ts';
import type { FileRefusal } from './s3-volumes.ts';

/** A busy machine may take long. */
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 5 });

type Fetch = (path: string) => Promise<boolean>;

/** A job in /work with a volume at /work/tokens whose .bin files come on demand; what is asked of S3 is written down. */
function scene(
  fetch: Fetch,
  {
    onDemand = ['*.bin'],
    leaves,
  }: { readonly onDemand?: readonly string[]; readonly leaves?: () => Promise<void> } = {},
) {
  const asked: string[] = [];
  const removed: string[] = [];
  const refused = new Map<string, FileRefusal>();
  const s3Volumes = {
    fetchFile: (_use: unknown, path: string) => {
      asked.push(path);
      return fetch(path);
    },
    removeFile: async (_use: unknown, path: string) => {
      removed.push(path);
      await leaves?.();
    },
    refuseFile: async (_use: unknown, path: string, refusal: FileRefusal) => void refused.set(path, refusal),
  };
  const deps = { s3Volumes, places: { runDir: () => '/run' }, log: { error: vi.fn() } } as unknown as Deps;
  const volumes = [
    {
      s3: 's3://data/tokens',
      mount: 'tokens',
      readOnly: true,
      ...(onDemand.length === 0 ? {} : { onDemand }),
    },
  ];
  const row = { id: 'job', tenantId: 'ten', spec: { job: { workdir: '/work', volumes } } } as unknown as Row;
  const files = new OnDemandFiles(deps, row, { id: 'att' } as AttemptRecord, 1);
  const tell = (want: readonly string[], done: readonly string[] = []): void =>
    files.tell({
      type: 'files',
      at: '',
      want: want.map((name) => `/work/tokens/${name}`),
      done: done.map((name) => `/work/tokens/${name}`),
    });
  return { asked, removed, refused, files, tell };
}

it('files come in the order of the newest wish, two at a time, each once, and go when they are done with', async () => {
  const arrivals = new Map<string, ReturnType<typeof createDeferred<boolean>>>();
  const { asked, removed, files, tell } = scene((path) => {
    const arrival = createDeferred<boolean>();
    arrivals.set(path, arrival);
    return arrival.promise;
  });
  tell(['a.bin', 'b.bin', 'c.bin']);
  await eventually(() => expect(asked).toEqual(['a.bin', 'b.bin']));
  tell(['b.bin', 'd.bin', 'c.bin'], ['a.bin']);
  arrivals.get('a.bin')?.resolve(true);
  await eventually(() => expect(asked).toEqual(['a.bin', 'b.bin', 'd.bin']));
  // It was still on its way when it was done with.
  await eventually(() => expect(removed).toEqual(['a.bin']));
  arrivals.get('b.bin')?.resolve(true);
  await eventually(() => expect(asked).toEqual(['a.bin', 'b.bin', 'd.bin', 'c.bin']));
  // Asked for again after it has gone: it comes again.
  for (const arrival of arrivals.values()) arrival.resolve(true);
  tell(['a.bin'], ['b.bin', 'c.bin', 'd.bin']);
  await eventually(() => expect(asked.at(-1)).toBe('a.bin'));
  arrivals.get('a.bin')?.resolve(true);
  await files[Symbol.asyncDispose]();
  expect(removed.toSorted((one, other) => one.localeCompare(other))).toEqual([
    'a.bin',
    'b.bin',
    'c.bin',
    'd.bin',
  ]);
});

it('a file asked for again while it goes comes when it has gone', async () => {
  const gone = createDeferred<void>();
  const { asked, removed, files, tell } = scene(() => Promise.resolve(true), { leaves: () => gone.promise });
  tell(['a.bin']);
  await eventually(() => expect(asked).toEqual(['a.bin']));
  // Settled: it is there.
  await eventually(() => {
    tell([], ['a.bin']);
    expect(removed).toEqual(['a.bin']);
  });
  tell(['a.bin', 'b.bin']);
  await eventually(() => expect(asked).toEqual(['a.bin', 'b.bin']));
  gone.resolve();
  await eventually(() => expect(asked).toEqual(['a.bin', 'b.bin', 'a.bin']));
  await files[Symbol.asyncDispose]();
});

it('a cache full of what is read now is waited for; what cannot come is said beside the file, and whose fault it is', async () => {
  let left = 3;
  const answers: Record<string, Fetch> = {
    'full.bin': async () => {
      if (left-- > 0) throw new GantryError('disk_full', 'the cache is full');
      return true;
    },
    'away.bin': () => Promise.reject(new GantryError('storage_unavailable', 'S3 is away', { hint: 'wait' })),
    'secret.bin': () => Promise.reject(new GantryError('forbidden', 'refused the credentials')),
    'unknown.bin': () => Promise.resolve(false),
  };
  const { refused, files, tell } = scene((path) => answers[path]?.(path) ?? Promise.resolve(true));
  tell(Object.keys(answers));
  await eventually(() =>
    expect([...refused.keys()]).toEqual(expect.arrayContaining(['away.bin', 'secret.bin', 'unknown.bin'])),
  );
  await eventually(() => expect(left).toBeLessThan(0));
  await files[Symbol.asyncDispose]();
  expect(refused.get('away.bin')).toEqual({ message: 'S3 is away', hint: 'wait', isUsers: false });
  expect(refused.get('secret.bin')).toMatchObject({ isUsers: true });
  expect(refused.get('unknown.bin')).toMatchObject({
    isUsers: true,
    message: expect.stringMatching(/has no unknown.bin/),
  });
  expect(refused.has('full.bin')).toBe(false);
});

it('no path leads out of the volume, and other volumes take no wishes', async () => {
  const { asked, removed, refused, files, tell } = scene(() => Promise.resolve(true));
  tell(['../../etc/passwd', 'a//b', './x']);
  tell([], ['../../etc/passwd', 'a//b', './x']);
  await files[Symbol.asyncDispose]();
  const plain = scene(() => Promise.resolve(true), { onDemand: [] });
  plain.tell(['a.bin']);
  await plain.files[Symbol.asyncDispose]();
  expect([...asked, ...removed, ...refused.keys(), ...plain.asked]).toEqual([]);
});
