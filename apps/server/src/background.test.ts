import { GantryError } from '@gantry/contract';
import type { WorkerEvent, WorkerExit } from '@gantry/ports';
import { describe, expect, test } from 'vitest';
import { pumpWorkers } from './background.ts';

const failed: WorkerExit = {
  exitClass: 'user_error',
  code: 3,
  signal: undefined,
  message: 'exited with 3',
  stderrTail: ['last words'],
};
const exited = (exit: WorkerExit): WorkerEvent => ({ type: 'exited', workerId: 'w', exit });

/** Pumps these events past a listener that answers or throws what it is told to, call by call. */
async function pump(events: readonly WorkerEvent[], ...answers: readonly (boolean | Error)[]) {
  const told: WorkerEvent[] = [];
  const words: string[] = [];
  const note = (_fields: unknown, message?: string): void => void words.push(message ?? '');
  await pumpWorkers(
    {
      deps: {
        runner: {
          events: async function* () {
            yield* events;
          },
        },
      },
      jobs: {
        onWorkerEvent: async (event) => {
          const answer = answers[told.push(event) - 1] ?? true;
          if (answer instanceof Error) throw answer;
          return answer;
        },
      },
      endpoints: { onWorkerEvent: async () => false },
    },
    new AbortController().signal,
    { debug: note, warn: note, error: note },
  );
  return { told, words };
}

describe('worker events', () => {
  test('wait for a database that is away, and are told again as they are', async () => {
    const away = new GantryError('store_unavailable', 'the database is away');
    const { told } = await pump(
      [exited(failed), { type: 'started', workerId: 'next', pid: 1 }],
      away,
      true,
      true,
    );
    expect(told).toEqual([exited(failed), exited(failed), { type: 'started', workerId: 'next', pid: 1 }]);
  });

  test('that nobody waits for are let go', async () => {
    const { told, words } = await pump([{ type: 'lost', workerId: 'w', message: '' }], false);
    expect(told).toHaveLength(1);
    expect(words).toEqual(['an event of a worker that nobody waits for']);
  });
});

describe('an end that cannot be taken', () => {
  test('is told once more without what the program left behind', async () => {
    const { told, words } = await pump([exited(failed)], new Error('unsupported escape'));
    expect(told[1]).toEqual(
      exited({
        ...failed,
        message: 'its end could not be taken as it was: the server log says why',
        stderrTail: [],
      }),
    );
    expect(words).toEqual(['a worker event failed']);
  });

  test('was no success, where it would have been one', async () => {
    const full = new GantryError('disk_full', 'the disk is full');
    const { told } = await pump([exited({ ...failed, exitClass: 'done', code: 0 })], full);
    expect(told[1]).toMatchObject({
      exit: { exitClass: 'infrastructure', message: expect.stringContaining('the disk is full') },
    });
  });

  test('twice is said, and the next worker is heard', async () => {
    const broken = new Error('broken');
    const { told, words } = await pump(
      [exited(failed), { type: 'started', workerId: 'next', pid: 1 }],
      broken,
      broken,
    );
    expect(told.at(-1)).toMatchObject({ workerId: 'next' });
    expect(words).toEqual(['a worker event failed', 'the end of a worker is not written down']);
  });
});
