/** docs/serving-knobs.md names every knob of serving with the default that the contract gives it, and no other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { endpointConnect, endpointCreate, rolloutCreate, servingLimits } from '@gantry/contract';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { gatewayDefaults } from '../packages/gateway/src/gateway-api.ts';

type Schema = z.core.JSONSchema.BaseSchema;
/** Defaults by path: `scaling.target.queue`, `adapters[].name`. */
type Knobs = Map<string, unknown>;

function knobsOf(schema: Schema, path = '', knobs: Knobs = new Map()): Knobs {
  const { properties, items } = schema;
  if (properties !== undefined && Object.keys(properties).length > 0)
    for (const [name, field] of Object.entries(properties))
      knobsOf(field as Schema, path === '' ? name : `${path}.${name}`, knobs);
  else if ((items as Schema | undefined)?.properties !== undefined)
    knobsOf(items as Schema, `${path}[]`, knobs);
  else knobs.set(path, schema.default);
  return knobs;
}

const contractKnobs = (schema: z.ZodType): Knobs =>
  knobsOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));

/** Rows of the tables under a heading and those below it: names and defaults stand in the same order. */
function told(page: string, heading: string): Map<string, string> {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const rows = [...section.matchAll(/^\| (`[^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)];
  return new Map(
    rows.flatMap(([, names = '', defaults = '']) => {
      const values = defaults.split(', ');
      return names
        .split(', ')
        .map((name, at) => [name.replaceAll('`', ''), values[at] ?? values.at(-1) ?? ''] as const);
    }),
  );
}

const page = readFileSync(join(import.meta.dirname, '../docs/serving-knobs.md'), 'utf8');

it.each([
  ['Endpoint', contractKnobs(endpointCreate)],
  ['Rollout', contractKnobs(rolloutCreate)],
  ['Connected server', contractKnobs(endpointConnect)],
  ['Tenant (operators)', contractKnobs(servingLimits)],
  ['Gateway', new Map<string, unknown>(Object.entries(gatewayDefaults))],
])('%s: every knob with its default', (heading, knobs) => {
  const rows = told(page, heading);
  expect([...rows.keys()].toSorted()).toEqual([...knobs.keys()].toSorted());
  for (const [name, value] of knobs) {
    const word = typeof value === 'string' ? value : JSON.stringify(value);
    if (value === undefined) expect([name, rows.get(name)]).toEqual([name, expect.not.stringContaining('`')]);
    else expect([name, rows.get(name)]).toEqual([name, `\`${word}\``]);
  }
});
