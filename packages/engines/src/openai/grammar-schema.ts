/**
 * A JSON schema as the grammar of an answer can hold it: the same values or fewer, never others. Grammars know no
 * arithmetic and no patterns; what they cannot hold is refused where the request is strict, else left to the model.
 * Every property of an object is written, so `required` always holds.
 */
import { EngineError } from '../engine-error.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface SchemaUse {
  /** Refuse what cannot be held. */
  readonly isStrict: boolean;
  /** The request's field. */
  readonly param: string;
  /** Of all schemas that one grammar is made of; absent: this one alone. */
  readonly size?: SchemaSize;
}

/** How much of each thing a grammar is made of so far. */
export interface SchemaSize {
  parts: number;
  /** Values that `const` and `enum` list. */
  values: number;
  /** Of those values and the names of properties. */
  characters: number;
}

/**
 * Making a grammar stops the engine for as long as it is long, and each token is tried against every way to go on:
 * 100,000 values take minutes. The first three are OpenAI's bounds.
 */
const most: SchemaSize = { parts: 5_000, values: 1_000, characters: 120_000 };
const deepest = 32;
/** llama.cpp's grammars repeat a thing fewer than 2,000 times. */
const mostRepeats = 1_000;

/** Say nothing of which values are right. */
const annotations = new Set(
  'title description default examples deprecated readOnly writeOnly strict $schema $id $comment $defs definitions'.split(
    ' ',
  ),
);
const heldFormats = new Set(['date-time', 'date', 'time']);

const anything: Fields = {
  oneOf: [
    ...['string', 'number', 'boolean', 'null', 'array'].map((type) => ({ type })),
    { type: 'object', additionalProperties: true },
  ],
};

export function grammarSchema(schema: Fields, use: SchemaUse): Fields {
  return new SchemaReader(schema, use).read();
}

class SchemaReader {
  readonly #root: Fields;
  readonly #use: SchemaUse;
  readonly #defs: Fields;
  readonly #size: SchemaSize;

  constructor(root: Fields, use: SchemaUse) {
    this.#root = root;
    this.#use = use;
    this.#size = use.size ?? { parts: 0, values: 0, characters: 0 };
    const { $defs, definitions } = root;
    this.#defs = { ...(isFields(definitions) ? definitions : {}), ...(isFields($defs) ? $defs : {}) };
  }

  read(): Fields {
    const defs = Object.entries(this.#defs).map(([name, one]) => [name, this.#one(one, `$defs.${name}`, 1)]);
    const whole = this.#one(this.#root, '', 0);
    return defs.length === 0 ? whole : { ...whole, $defs: Object.fromEntries(defs) as Fields };
  }

  /** Refuses what makes the whole too long. */
  #count(what: keyof SchemaSize, more: number, path: string): void {
    this.#size[what] += more;
    if (this.#size[what] <= most[what]) return;
    const names = {
      parts: 'parts',
      values: 'values of const and enum',
      characters: 'characters of names and values',
    };
    throw this.#bad(`the schema has more than ${most[what]} ${names[what]}`, path);
  }

  #one(schema: unknown, path: string, depth: number): Fields {
    this.#count('parts', 1, path);
    if (depth > deepest) throw this.#bad(`the schema is deeper than ${deepest}`, path);
    if (schema === true) return anything;
    if (!isFields(schema)) throw this.#bad('a schema is an object', path);
    const { $ref, const: only, enum: some, type } = schema;
    if ($ref !== undefined) return this.#reference(schema, path);
    if (only !== undefined) return this.#literals(schema, [only], path);
    if (some !== undefined) return this.#literals(schema, some, path);
    const choices = schema['anyOf'] ?? schema['oneOf'];
    if (choices !== undefined) return this.#choice(schema, choices, path, depth);
    const { allOf } = schema;
    if (Array.isArray(allOf) && allOf.length === 1) {
      this.#check(schema, ['allOf', 'type'], path);
      return this.#one(allOf[0], `${path}.allOf[0]`, depth + 1);
    }
    if (Array.isArray(type))
      return {
        oneOf: [...new Set<unknown>(type)].map((each) => {
          this.#count('parts', 1, path);
          return this.#typed({ ...schema, type: each }, path, depth);
        }),
      };
    return this.#typed(schema, path, depth);
  }

  #reference(schema: Fields, path: string): Fields {
    this.#check(schema, ['$ref'], path);
    const { $ref } = schema;
    const name =
      typeof $ref === 'string' ? /^#\/(?:\$defs|definitions)\/([^/]+)$/.exec($ref)?.[1] : undefined;
    if (name === undefined || !Object.hasOwn(this.#defs, name))
      throw this.#bad(`$ref ${JSON.stringify($ref)} leads to no definition of this schema`, path);
    return { $ref: `#/$defs/${name}` };
  }

  #literals(schema: Fields, values: unknown, path: string): Fields {
    this.#check(schema, ['const', 'enum', 'type'], path);
    const isScalar = (value: unknown): boolean => value === null || typeof value !== 'object';
    if (!Array.isArray(values) || values.length === 0 || !values.every(isScalar))
      throw this.#bad('const and enum name texts, numbers, true, false or null', path);
    this.#count('values', values.length, path);
    this.#count('characters', lengthOf(values), path);
    return { enum: values as readonly unknown[] };
  }

  #choice(schema: Fields, choices: unknown, path: string, depth: number): Fields {
    this.#check(schema, ['anyOf', 'oneOf', 'type'], path);
    if (!Array.isArray(choices) || choices.length === 0)
      throw this.#bad('anyOf and oneOf list at least one schema', path);
    return {
      oneOf: choices.map((each: unknown, at) => this.#one(each, `${path}.anyOf[${at}]`, depth + 1)),
    };
  }

  #typed(schema: Fields, path: string, depth: number): Fields {
    const type = schema['type'] ?? impliedType(schema);
    switch (type) {
      case undefined:
        this.#check(schema, [], path);
        return anything;
      case 'object':
        return this.#object(schema, path, depth);
      case 'array':
        return this.#array(schema, path, depth);
      case 'string':
        return this.#string(schema, path);
      case 'number':
      case 'integer':
      case 'boolean':
      case 'null':
        this.#check(schema, ['type'], path);
        return { type };
      default:
        throw this.#bad(`${JSON.stringify(type)} is no type`, path);
    }
  }

  #object(schema: Fields, path: string, depth: number): Fields {
    const { properties = {}, required = [], additionalProperties } = schema;
    const known = [
      'type',
      'properties',
      'required',
      'additionalProperties',
      'minProperties',
      'maxProperties',
    ];
    this.#check(schema, known, path);
    if (!isFields(properties) || !isTexts(required))
      throw this.#bad('properties is an object and required a list of names', path);
    const missing = required.filter((name) => !Object.hasOwn(properties, name));
    this.#count('characters', lengthOf([...Object.keys(properties), ...missing]), path);
    const all = [...Object.entries(properties), ...missing.map((name) => [name, true] as const)];
    const others = additionalProperties ?? (all.length === 0 ? true : undefined);
    return {
      type: 'object',
      properties: Object.fromEntries(
        all.map(([name, one]) => [name, this.#one(one, `${path}.${name}`, depth + 1)]),
      ) as Fields,
      ...(others === undefined || typeof others === 'boolean'
        ? { additionalProperties: others === true }
        : { additionalProperties: this.#one(others, `${path}.*`, depth + 1) }),
      ...this.#repeats(schema, 'minProperties', 'maxProperties', path),
    };
  }

  #array(schema: Fields, path: string, depth: number): Fields {
    const { items } = schema;
    // Drafts before 2020-12 listed the first items under `items`.
    const first = schema['prefixItems'] ?? (Array.isArray(items) ? items : undefined);
    const rest = Array.isArray(items) ? undefined : items;
    this.#check(schema, ['type', 'items', 'prefixItems', 'minItems', 'maxItems'], path);
    return {
      type: 'array',
      ...(rest === undefined ? {} : { items: this.#one(rest, `${path}[]`, depth + 1) }),
      ...(Array.isArray(first)
        ? { prefixItems: first.map((one: unknown, at) => this.#one(one, `${path}[${at}]`, depth + 1)) }
        : {}),
      ...this.#repeats(schema, 'minItems', 'maxItems', path),
    };
  }

  #string(schema: Fields, path: string): Fields {
    const { format } = schema;
    if (typeof format === 'string' && heldFormats.has(format)) {
      this.#check(schema, ['type', 'format'], path);
      return { type: 'string', format };
    }
    this.#check(schema, ['type', 'minLength', 'maxLength'], path);
    return { type: 'string', ...this.#repeats(schema, 'minLength', 'maxLength', path) };
  }

  /** How often something comes at least and at most. */
  #repeats(schema: Fields, least: string, greatest: string, path: string): Fields {
    const bounds = [least, greatest].map((name) => this.#repeat(schema[name], name, path));
    const [from = 0, to = Infinity] = bounds;
    if (from > to) throw this.#bad(`${least} ${from} is above ${greatest} ${to}`, path);
    return {
      ...(bounds[0] === undefined ? {} : { [least]: from }),
      ...(bounds[1] === undefined ? {} : { [greatest]: to }),
    };
  }

  #repeat(value: unknown, name: string, path: string): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
      throw this.#bad(`${name} is a whole number from 0`, path);
    if (value <= mostRepeats) return value;
    if (this.#use.isStrict) throw this.#bad(`${name} is above ${mostRepeats}`, path);
    return undefined;
  }

  /** Nothing but `held` says which values are right. */
  #check(schema: Fields, held: readonly string[], path: string): void {
    if (!this.#use.isStrict) return;
    const other = Object.keys(schema).find((name) => !annotations.has(name) && !held.includes(name));
    if (other !== undefined) throw this.#bad(`${other} cannot be held by a grammar`, path);
  }

  #bad(message: string, path: string): EngineError {
    const at = path === '' ? '' : ` (at ${path.replace(/^\./, '')})`;
    return new EngineError('invalid_value', `The JSON schema cannot be kept: ${message}${at}.`, {
      param: this.#use.param,
      hint: 'Leave it out and check the answer yourself, or send strict: false.',
    });
  }
}

function impliedType(schema: Fields): string | undefined {
  if ('properties' in schema || 'required' in schema || 'additionalProperties' in schema) return 'object';
  if ('items' in schema || 'prefixItems' in schema) return 'array';
  return 'minLength' in schema || 'maxLength' in schema || 'pattern' in schema ? 'string' : undefined;
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

const lengthOf = (values: readonly unknown[]): number =>
  values.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 1), 0);

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
