import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SharedRoom } from './shared-room.ts';

it('a tenant that fills the room pushes out its own, the oldest first', () => {
  const gone: string[] = [];
  const room = new SharedRoom<number>(100, (tenantId, key) => gone.push(`${tenantId} ${key}`));
  room.set('small', 'a', 1, 10);
  for (let index = 0; index < 20; index++) room.set('large', `k${index}`, index, 10);
  expect(room.get('small', 'a')).toBe(1);
  expect(gone).toEqual(Array.from({ length: 11 }, (_, index) => `large k${index}`));
  room.touch('large', 'k11');
  room.set('large', 'new', 0, 10);
  expect([room.get('large', 'k11'), room.get('large', 'k12')]).toEqual([11, undefined]);
});

it('never holds more than its bound, nor takes from who holds less than its share', () => {
  const step = fc.record({
    tenant: fc.constantFrom('a', 'b', 'c', 'd'),
    key: fc.nat(30).map(String),
    bytes: fc.integer({ min: 1, max: 50 }),
    isDelete: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const held = new Map<string, number>();
      const room = new SharedRoom<number>(400, (tenant, key) => {
        const ofTenant = [...held].filter(([name]) => name.startsWith(`${tenant} `));
        expect(ofTenant.reduce((sum, [, bytes]) => sum + bytes, 0)).toBeGreaterThanOrEqual(100);
        held.delete(`${tenant} ${key}`);
      });
      for (const { tenant, key, bytes, isDelete } of steps) {
        const name = `${tenant} ${key}`;
        if (isDelete) expect(room.delete(tenant, key)).toBe(held.delete(name));
        else {
          held.set(name, bytes);
          room.set(tenant, key, bytes, bytes);
        }
        expect(room.bytes).toBe([...held.values()].reduce((sum, each) => sum + each, 0));
        expect(room.bytes).toBeLessThanOrEqual(400);
      }
      for (const [name, bytes] of held)
        expect(room.get(...(name.split(' ') as [string, string]))).toBe(bytes);
    }),
    { seed: 6, numRuns: 200 },
  );
});
