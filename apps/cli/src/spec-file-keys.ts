/** Which keys a file may have at a place, and which of them was probably meant. */
import { nearest } from '@gantry/kit';
import { type Node, isMap } from 'yaml';

export function unknownKeyMessage(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  if (guess !== undefined) return `unknown key "${key}" — did you mean "${guess}"?`;
  return `unknown key "${key}"${known.length === 0 ? '' : `; known here: ${known.join(', ')}`}`;
}

/** Where a key itself stands, not its value. */
export function keyOffset(map: unknown, key: string): number | undefined {
  if (!isMap(map)) return undefined;
  const pair = map.items.find((item) => String((item.key as { value?: unknown } | null)?.value) === key);
  return (pair?.key as Node | undefined)?.range?.[0];
}

interface Definition {
  readonly innerType?: unknown;
  readonly in?: unknown;
  readonly element?: unknown;
}

/** Walks zod's own tree, past defaults, optionals and transforms, to the object at that path. */
export function knownKeys(root: unknown, path: readonly (string | number)[]): readonly string[] {
  let schema = unwrap(root);
  for (const key of path)
    schema = unwrap(
      typeof key === 'number' ? definitionOf(schema)?.element : (shapeOf(schema)[key] ?? undefined),
    );
  return Object.keys(shapeOf(schema));
}

function unwrap(schema: unknown): unknown {
  const { innerType, in: input } = definitionOf(schema) ?? {};
  const inner = innerType ?? input;
  return inner === undefined ? schema : unwrap(inner);
}

const definitionOf = (schema: unknown): Definition | undefined =>
  (schema as { def?: Definition } | undefined)?.def;

const shapeOf = (schema: unknown): Readonly<Record<string, unknown>> =>
  (schema as { shape?: Readonly<Record<string, unknown>> } | undefined)?.shape ?? {};
