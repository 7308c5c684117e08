/** Files that people write, in YAML: what is wrong is told with its line and column, and nothing is submitted. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import type { ErrorProblem } from '@gantry/contract';
import { LineCounter, isNode, parseDocument } from 'yaml';
import { CliError } from './cli-error.ts';
import { keyOffset, knownKeys, unknownKeyMessage } from './spec-file-keys.ts';

const maxBytes = 1024 * 1024;
/** More than a person writes, fewer than a "billion laughs" file needs. */
const maxAliases = 50;

/** As much of zod as is needed here. */
interface Schema {
  readonly safeParse: (value: unknown) => {
    readonly success: boolean;
    readonly error?: { readonly issues: readonly Issue[] };
  };
}

interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

/** What a file describes. */
export interface SpecKind {
  readonly schema: Schema;
  /** Said of an empty file. */
  readonly emptyHint: string;
  /** Where to look how such a file is written. */
  readonly example: string;
}

/** The value as written, once it is known to fit: defaults are the server's to fill in. */
export function readSpecFile(path: string, kind: SpecKind): unknown {
  return parseSpecFile(readText(path, kind.example), path, kind);
}

function readText(path: string, example: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const info = fstatSync(file);
      if (info.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      if (info.size > maxBytes) throw tooLarge(path);
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new CliError('data_missing', `${path} ${reasons[code] ?? `cannot be read: ${code}`}`, {
      hint: example,
    });
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EISDIR: 'is a directory',
  EACCES: 'is not yours to read',
};

const tooLarge = (path: string): CliError =>
  new CliError('body_too_large', `${path} has more than 1 MB; such a file has a few lines`, {
    hint: 'data belongs into files that it names',
  });

export function parseSpecFile(text: string, path: string, kind: SpecKind): unknown {
  if (text.length > maxBytes) throw tooLarge(path);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  if (document.errors.length > 0)
    throw problemsError(
      document.errors.map((error) => ({ path: place(error.pos[0]), message: error.message })),
    );
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: maxAliases });
  } catch (error) {
    throw problemsError([
      { path: place(0), message: error instanceof Error ? error.message : String(error) },
    ]);
  }
  if (value === null || value === undefined)
    throw problemsError([{ path: place(0), message: 'the file is empty', hint: kind.emptyHint }]);
  const result = kind.schema.safeParse(value);
  if (result.success) return value;
  throw problemsError(
    (result.error?.issues ?? []).flatMap((issue): ErrorProblem[] => {
      const keys = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
      const node = keys.length === 0 ? document.contents : document.getIn(keys, true);
      const offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
      if (issue.code !== 'unrecognized_keys')
        return [{ path: place(offset), message: `${keys.join('.') || 'the file'}: ${issue.message}` }];
      return (issue.keys ?? []).map((key) => ({
        path: place(keyOffset(node, key) ?? offset),
        message: unknownKeyMessage(key, knownKeys(kind.schema, keys)),
      }));
    }),
  );
}

function problemsError(problems: readonly ErrorProblem[]): CliError {
  return new CliError('validation_failed', 'nothing was submitted', { problems });
}
