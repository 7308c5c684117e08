import type { Row } from '@gantry/ports';
import { expect, test } from 'vitest';
import { SpeedBook } from './speed-book.ts';

const job = (id: string, more: { seed?: number; user?: string; status?: object } = {}): Row =>
  ({
    id,
    tenantId: 'ten_1',
    spec: {
      user: more.user ?? 'ada',
      job: { train: { recipe: 'language-model', steps: 1_000, seed: more.seed ?? 1 } },
    },
    status: { attempts: [], ...more.status },
  }) as unknown as Row;
const at = (step: number, etaSeconds: number) => ({ step, totalSteps: 1_000, etaSeconds });

test('what one job was measured to do is known of its like, with what each has left', () => {
  const book = new SpeedBook();
  book.note(job('a'), at(200, 80), { model: 'a100', members: 2 });
  book.note(job('a'), at(400, 30), { model: 'a100', members: 4 });
  const runs = [
    { model: 'a100', members: 2, perSecond: 10 },
    { model: 'a100', members: 4, perSecond: 20 },
  ];
  expect(book.of(job('a'))).toEqual({ speed: { runs, left: 600 } });
  expect(book.of(job('b', { seed: 7 }))).toEqual({ speed: { runs, left: 1_000 } });
  const stopped = job('c', { status: { progress: { step: 900, totalSteps: 1_000 } } });
  expect(book.of(stopped)).toMatchObject({ speed: { left: 100 } });
  expect(book.of(job('d', { user: 'bob' }))).toEqual({});
});

test('a look that says the same again is no news', () => {
  const book = new SpeedBook();
  const on = { model: 'a100', members: 2 };
  expect(book.note(job('a'), at(200, 80), on)).toBe(true);
  expect(book.note(job('a'), at(210, 79), on)).toBe(false);
  expect(book.note(job('a'), at(300, 35), on)).toBe(true);
  expect(book.note(job('a'), undefined, on)).toBe(false);
});

test('the next server knows from the rows of ended jobs how fast their like runs', () => {
  const nodes = new Map([
    [
      'n1',
      {
        spec: {
          devices: [
            { id: 'g0', model: 'a100' },
            { id: 'g1', model: 'h100' },
          ],
        },
      } as unknown as Row,
    ],
  ]);
  const attempt = (ranks: number, device = 'g0') => ({
    placement: Array.from({ length: ranks }, (_, rank) => ({ rank, node: 'n1', devices: [device] })),
    startedAt: '2026-01-01T00:00:00Z',
    endedAt: '2026-01-01T00:01:40Z',
  });
  const progress = { step: 1_000, totalSteps: 1_000 };
  const ended = (attempts: object[]) => job('old', { status: { attempts, progress } });
  const learned = (...attempts: object[]) => {
    const book = new SpeedBook();
    book.learn(ended(attempts), nodes);
    return book.of(job('new')).speed?.runs;
  };
  expect(learned(attempt(2))).toEqual([{ model: 'a100', members: 2, perSecond: 10 }]);
  expect(learned(attempt(2), attempt(2))).toEqual([{ model: 'a100', members: 2, perSecond: 5 }]);
  expect(learned(attempt(2), attempt(4))).toBeUndefined();
  expect(learned(attempt(2), attempt(2, 'g1'))).toBeUndefined();
});
