/** A request's parts → what the route's schemas promise the handler; what does not fit is named with its place. */
import { type ErrorProblem, GantryError } from '@gantry/contract';
import { nearest } from '@gantry/kit';
import type { z } from 'zod';

/** A body of a million mistakes is told of the first few: the rest would cost more than the request. */
const mostProblems = 20;
const mostKeyChars = 80;
const mostMessageChars = 1_000;

export function parseWith<T extends z.ZodType>(
  schema: T,
  value: unknown,
  part: 'body' | 'query',
): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, mostProblems).flatMap((issue) => toProblems(issue, schema));
  const unknown = problems.filter(({ message }) => message.startsWith('unknown key'));
  const [first] = problems;
  throw new GantryError(
    unknown.length === problems.length ? 'unknown_field' : 'validation_failed',
    `the ${part} does not fit: ${first?.path === '' ? '' : `${first?.path}: `}${first?.message ?? ''}`,
    {
      problems,
      ...(first?.hint === undefined ? {} : { hint: first.hint }),
    },
  );
}

function toProblems(issue: z.core.$ZodIssue, schema: z.ZodType): readonly ErrorProblem[] {
  const path = issue.path.map(String).join('.');
  if (issue.code !== 'unrecognized_keys')
    return [{ path, message: issue.message.slice(0, mostMessageChars) }];
  const known = keysAt(schema, issue.path.map(String));
  return issue.keys.slice(0, mostProblems).map((whole) => {
    const key = whole.slice(0, mostKeyChars);
    const guess = nearest(key, known);
    return {
      path: path === '' ? key : `${path}.${key}`,
      message: `unknown key "${key}"`,
      ...(guess === undefined ? {} : { hint: `did you mean "${guess}"?` }),
    };
  });
}

/** The keys an object schema knows at a path, looking through defaults and refinements. */
function keysAt(schema: z.ZodType, path: readonly string[]): readonly string[] {
  let current: unknown = schema;
  for (let steps = 0; steps < 50; steps += 1) {
    const def = (
      current as { def?: { innerType?: unknown; shape?: unknown; in?: unknown; element?: unknown } }
    ).def;
    const shape = (current as { shape?: Record<string, unknown> }).shape;
    if (shape !== undefined) {
      const [next, ...rest] = path;
      if (next === undefined) return Object.keys(shape);
      current = shape[next];
      path = rest;
      if (current === undefined) return [];
    } else if (def?.innerType !== undefined) current = def.innerType;
    else if (def?.in !== undefined) current = def.in;
    else if (def?.element !== undefined) {
      current = def.element;
      path = path.slice(1);
    } else return [];
  }
  return [];
}
