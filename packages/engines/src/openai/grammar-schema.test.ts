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
