/**
 * Whatever is sent to whatever route, the answer is a sentence and no 500. The bodies are made of each route's own
 * schema, with values that nobody means. Seeded; `GANTRY_FUZZ_ROUNDS` makes it longer.
 */
import { type RouteDefinition, type RouteName, routes } from '@gantry/contract';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer();
}, 180_000);
// Fails where a request failed inside, or with an error that the contract does not name.
afterAll(() => home[Symbol.asyncDispose]());

const rounds = Number(process.env['GANTRY_FUZZ_ROUNDS'] ?? 12);

const nasty = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    ' ',
    '../../etc/passwd',
    'a'.repeat(300),
    '\0',
    '\ud800',
    "'; drop table resource; --",
    '${jndi:ldap://x}',
    -1,
    0,
    0.5,
    1e308,
    2 ** 53,
    true,
    [],
    {},
    '9007199254740993',
    '1e999GB',
    '99999999999d',
    '2026-13-45T99:99:99Z',
    'default',
    'root',
    'operator',
    'ghost@99999999999999999999',
  ),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.jsonValue({ maxDepth: 2 }),
);

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
}

/** Mostly of the right shape, so that it gets past the door. */
function valueOf(schema: Schema): fc.Arbitrary<unknown> {
  const fitting = (): fc.Arbitrary<unknown> => {
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valueOf));
    switch (schema.type) {
      case 'object':
        return fc.record(
          Object.fromEntries(
            Object.entries(schema.properties ?? {}).map(([key, inner]) => [key, valueOf(inner)]),
          ),
          { requiredKeys: [] },
        );
      case 'array':
        return fc.array(valueOf(schema.items ?? {}), { maxLength: 3 });
      case 'integer':
        return fc.integer();
      case 'number':
        return fc.double({ noNaN: true });
      case 'boolean':
        return fc.boolean();
      default:
        return fc.string({ maxLength: 30 });
    }
  };
  return fc.oneof({ arbitrary: fitting(), weight: 4 }, { arbitrary: nasty, weight: 1 });
}

const schemaOf = (schema: z.ZodType): Schema =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema;

const names = fc.oneof(
  fc.constantFrom('ghost', 'default', 'root', 'operator', '%00', '..%2f..', '%F0%9F%98%80', 'a'.repeat(250)),
  fc.string({ maxLength: 12, minLength: 1 }).map(encodeURIComponent),
);

// Nothing here makes a machine sick, uploads bytes, or reads files of this one.
const left = new Set<RouteName>(['nodes.act', 'uploads.create', 'models.import', 'jobs.submit']);
const table = (Object.entries(routes) as [RouteName, RouteDefinition][]).filter(
  ([name, { stream }]) => stream === undefined && !left.has(name),
);

test.each(table)('%s', async (name, route) => {
  const query = route.query === undefined ? fc.constant({}) : valueOf(schemaOf(route.query));
  const body = route.body === undefined ? fc.constant(undefined) : valueOf(schemaOf(route.body));
  await fc.assert(
    fc.asyncProperty(
      fc.array(names, { minLength: 2, maxLength: 2 }),
      query,
      body,
      async (params, asked, sent) => {
        let index = 0;
        const path = route.path.replaceAll(/:\w+/g, () => params[index++] ?? 'x');
        const search = new URLSearchParams();
        for (const [key, value] of Object.entries((asked ?? {}) as Record<string, unknown>))
          search.set(key, typeof value === 'string' ? value : JSON.stringify(value));
        const answer = await home.ask(route.method, `${path}?${search.toString()}`, {
          key: home.operatorKey,
          ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
        });
        expect(answer.status, `${name}: ${answer.text}`).toBeLessThan(500);
        if (answer.status >= 400) expect(answer.body.error.message).toMatch(/\w/);
      },
    ),
    { seed: 20_261_121, numRuns: rounds, endOnFailure: true },
  );
});

test('jobs.submit', async () => {
  const route: RouteDefinition = routes['jobs.submit'];
  const shape = valueOf(schemaOf(route.body ?? z.never()));
  await fc.assert(
    fc.asyncProperty(shape, async (sent) => {
      // Into a queue that is not there: whatever else it says, nothing starts.
      const body =
        typeof sent === 'object' && sent !== null && !Array.isArray(sent)
          ? { ...sent, queue: 'ghost' }
          : sent;
      const answer = await home.ask('POST', '/api/v1/jobs', {
        key: home.operatorKey,
        body: JSON.stringify(body),
      });
      expect(answer.status, answer.text).toBeLessThan(500);
      expect(answer.status).toBeGreaterThanOrEqual(400);
    }),
    { seed: 20_261_121, numRuns: rounds * 5, endOnFailure: true },
  );
});
