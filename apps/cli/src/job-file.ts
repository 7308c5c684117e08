/** A YAML job file → the job's spec; what is wrong is told with its line and column, and nothing is submitted. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ErrorProblem, type JobSpecInput, jobSpecSchema } from '@gantry/contract';
import { nearest } from '@gantry/kit';
import { LineCounter, type Node, isMap, isNode, parseDocument } from 'yaml';
import { CliError } from './cli-error.ts';

const maxBytes = 1024 * 1024;

export function readJobFile(path: string): JobSpecInput {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(
      'data_missing',
      `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? ''}`,
      { hint: 'an example: examples/quickstart.yaml' },
    );
  }
  const spec = parseJobFile(text, path);
  // Paths in the file mean what they mean beside it.
  return { workdir: dirname(resolve(path)), ...spec };
}

export function parseJobFile(text: string, path: string): JobSpecInput {
  if (text.length > maxBytes)
    throw new CliError('body_too_large', `${path} has more than 1 MB; a job file has a few lines`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    throw problemsError(
      document.errors.map((error) => ({ path: place(error.pos[0]), message: error.message })),
    );
  }
  const result = jobSpecSchema.safeParse(document.toJS({ maxAliasCount: 50 }));
  if (result.success) return document.toJS() as JobSpecInput;
  throw problemsError(
    result.error.issues.flatMap((issue): ErrorProblem[] => {
      const keys = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
      const node = document.getIn(keys, true);
      const offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
      if (issue.code !== 'unrecognized_keys')
        return [{ path: place(offset), message: `${keys.join('.') || 'the file'}: ${issue.message}` }];
      return issue.keys.map((key) => {
        const guess = nearest(key, knownKeys(keys));
        return {
          path: place(keyOffset(node, document.contents, key) ?? offset),
          message: `unknown key "${key}"${guess === undefined ? '' : ` — did you mean "${guess}"?`}`,
        };
      });
    }),
  );
}

function problemsError(problems: readonly ErrorProblem[]): CliError {
  return new CliError('validation_failed', 'nothing was submitted', { problems });
}

function keyOffset(node: unknown, contents: unknown, key: string): number | undefined {
  const map = isMap(node) ? node : contents;
  if (!isMap(map)) return undefined;
  const pair = map.items.find((item) => String((item.key as { value?: unknown } | null)?.value) === key);
  return (pair?.key as Node | undefined)?.range?.[0];
}

function knownKeys(path: readonly (string | number)[]): readonly string[] {
  let schema = jobSpecSchema as unknown;
  for (const key of [...path, undefined]) {
    for (let def = defOf(schema); def?.innerType !== undefined || def?.in !== undefined; def = defOf(schema))
      schema = def.innerType ?? def.in;
    if (key === undefined) break;
    schema = (schema as { shape?: Record<string, unknown> }).shape?.[key] ?? schema;
  }
  return Object.keys((schema as { shape?: Record<string, unknown> }).shape ?? {});
}

const defOf = (schema: unknown): { innerType?: unknown; in?: unknown } | undefined =>
  (schema as { def?: { innerType?: unknown; in?: unknown } }).def;
