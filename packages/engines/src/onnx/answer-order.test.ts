import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AnswerOrder } from './answer-order.ts';

it('answers leave in the order of arrival within their level, however they come to pass, and none is lost', () => {
  const request = fc.record({ level: fc.integer({ min: 1, max: 2 }), isAnswered: fc.boolean() });
  const requests = fc.array(request, { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(requests, fc.infiniteStream(fc.nat()), (all, draws) => {
      const order = new AnswerOrder<number>();
      for (const [id, { level }] of all.entries()) order.enter(id, level);
      const left: number[] = [];
      const rest = [...all.keys()];
      while (rest.length > 0) {
        const [id] = rest.splice((draws.next().value as number) % rest.length, 1) as [number];
        if (all[id]?.isAnswered === true) order.pass(id, () => left.push(id));
        else order.pass(id);
      }
      for (const level of [1, 2]) {
        const own = [...all.keys()].filter((id) => all[id]?.level === level && all[id].isAnswered);
        expect(left.filter((id) => all[id]?.level === level)).toEqual(own);
      }
    }),
    { seed: 5 },
  );
});

it('who lost its place is answered later and holds nobody up', () => {
  const order = new AnswerOrder<string>();
  const left: string[] = [];
  for (const id of ['slow', 'next']) order.enter(id, 1);
  order.pass('slow');
  order.pass('next', () => left.push('next'));
  order.pass('slow', () => left.push('slow'));
  expect(left).toEqual(['next', 'slow']);
});
