import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../engine-error.ts';
import { grammarSchema } from './grammar-schema.ts';

type Fields = Readonly<Record<string, unknown>>;
const strictly = (schema: Fields): Fields => grammarSchema(schema, { isStrict: true, param: 'f' });
const loosely = (schema: Fields): Fields => grammarSchema(schema, { isStrict: false, param: 'f' });

describe('grammarSchema', () => {
  it('writes choices, nullable types and definitions as grammars have them', () => {
    expect(strictly({ anyOf: [{ type: 'string' }, { const: 3 }] })).toEqual({
      oneOf: [{ type: 'string' }, { enum: [3] }],
    });
    expect(strictly({ type: ['integer', 'null'], description: 'age' })).toEqual({
      oneOf: [{ type: 'integer' }, { type: 'null' }],
    });
    const tree = { type: 'object', properties: { next: { $ref: '#/definitions/node' } } };
    expect(strictly({ ...tree, definitions: { node: { anyOf: [tree, { type: 'null' }] } } })).toEqual({
      type: 'object',
      properties: { next: { $ref: '#/$defs/node' } },
      additionalProperties: false,
      $defs: {
        node: {
          oneOf: [
            { type: 'object', properties: { next: { $ref: '#/$defs/node' } }, additionalProperties: false },
            { type: 'null' },
          ],
        },
      },
    });
  });

  it('knows what a schema means that names no type', () => {
    expect(strictly({ properties: { a: { items: { type: 'number' } } }, required: ['b'] })).toMatchObject({
      type: 'object',
      properties: {
        a: { type: 'array', items: { type: 'number' } },
        b: { oneOf: expect.any(Array) as unknown[] },
      },
    });
    expect(strictly({ type: 'object' })).toMatchObject({ additionalProperties: true });
  });

  it.each([
    [{ type: 'integer', minimum: 1 }, 'minimum cannot be held by a grammar'],
    [{ type: 'object', properties: { zip: { type: 'string', pattern: '^\\d+$' } } }, '(at zip)'],
    [{ type: 'array', uniqueItems: true }, 'uniqueItems'],
    [{ type: 'string', format: 'email' }, 'format'],
    [{ not: { type: 'string' } }, 'not'],
  ])(
    'refuses strictly what no grammar can hold, and leaves it to the model otherwise: %j',
    (schema, said) => {
      expect(() => strictly(schema)).toThrow(said);
      expect(() => loosely(schema)).not.toThrow();
    },
  );

  it.each([
    [{ $ref: '#/$defs/nowhere' }],
    [{ $ref: 'https://example.com/schema' }],
    [{ enum: [] }],
    [{ const: { a: 1 } }],
    [{ type: 'set' }],
    [{ type: 'array', items: false }],
  ])('refuses what is no schema, strict or not: %j', (schema) => {
    expect(() => loosely(schema)).toThrow(EngineError);
  });

  it('ends at a bound, however deep and wide a schema is', () => {
    let deep: Fields = { type: 'string' };
    for (let level = 0; level < 10_000; level++) deep = { type: 'array', items: deep };
    expect(() => loosely(deep)).toThrow('deeper than 32');
    const wide = Object.fromEntries(Array.from({ length: 6_000 }, (_, at) => [`p${at}`, { type: 'null' }]));
    expect(() => loosely({ type: 'object', properties: wide })).toThrow('more than 5000');
  });

  const values = (count: number): Fields => ({ enum: Array.from({ length: count }, (_, at) => `v${at}`) });
  it.each<[string, Fields]>([
    ['more than 1000 values', values(1_001)],
    ['more than 1000 values', { type: 'object', properties: { a: values(600), b: values(600) } }],
    ['more than 120000 characters', { const: 'x'.repeat(120_001) }],
    ['more than 120000 characters', { type: 'object', properties: { ['x'.repeat(120_001)]: {} } }],
    ['more than 5000 parts', { type: 'object', required: Array.from({ length: 6_000 }, String) }],
    ['minLength is a whole number from 0', { type: 'string', minLength: -1 }],
    ['maxItems is a whole number from 0', { type: 'array', maxItems: 'many' }],
    ['minProperties is a whole number from 0', { type: 'object', minProperties: 0.5 }],
    ['minLength 9 is above maxLength 3', { type: 'string', minLength: 9, maxLength: 3 }],
    ['a list of names', { type: 'object', required: [{ toString: 1 }] }],
  ])('refuses %s', (said, schema) => {
    expect(() => loosely(schema)).toThrow(said);
  });

  it('counts to a thousand: beyond it refuses strictly, and leaves it to the model otherwise', () => {
    for (const name of ['minLength', 'maxLength'])
      expect(strictly({ type: 'string', [name]: 1_000 })).toEqual({ type: 'string', [name]: 1_000 });
    expect(() => strictly({ type: 'array', maxItems: 1e9 })).toThrow('maxItems is above 1000');
    expect(loosely({ type: 'array', maxItems: 1e9 })).toEqual({ type: 'array' });
  });

  it('knows names that every object has by their own meaning alone', () => {
    expect(strictly({ type: 'object', required: ['toString'] })).toMatchObject({
      properties: { toString: { oneOf: expect.any(Array) as unknown[] } },
    });
    expect(() => loosely({ $ref: '#/$defs/constructor' })).toThrow('no definition');
  });

  it('reads thousands of definitions that name each other once', () => {
    const count = 4_000;
    const $defs = Object.fromEntries(
      Array.from({ length: count }, (_, at) => [`d${at}`, { $ref: `#/$defs/d${(at + 1) % count}` }]),
    );
    expect(Object.keys(strictly({ $ref: '#/$defs/d0', $defs })['$defs'] as Fields)).toHaveLength(count);
  });

  it('answers any JSON with a schema or a refusal', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('type', 'anyOf', 'items', 'enum', '$ref', 'properties', 'allOf', '$defs'),
          fc.jsonValue(),
        ),
        (schema) => {
          try {
            loosely(schema);
          } catch (error) {
            expect(error).toBeInstanceOf(EngineError);
          }
        },
      ),
      { seed: 4, numRuns: 300 },
    );
  });
});
