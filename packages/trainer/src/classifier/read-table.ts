/** CSV files with one header → samples. A column of numbers is one number; any other is one for each of its values. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { countOf } from '@gantry/kit';
import { DataError } from '../data/index.ts';
import type { FoundFile } from '../data/find-files.ts';
import { parseCsv } from './csv.ts';
import type { Feature, RawSamples } from './samples.ts';

const mostValues = 256;
const mostColumns = 4096;

export async function readTable(files: readonly FoundFile[], label: string): Promise<RawSamples> {
  const hash = createHash('sha256').update(label);
  let header: readonly string[] | undefined;
  const rows: string[][] = [];
  for (const { path, absolutePath } of files) {
    const bytes = await readFile(absolutePath);
    hash.update(bytes);
    const [names, ...body] = parseCsv(bytes.toString('utf8'));
    if (names === undefined)
      throw invalid(`${path} is empty.`, 'A table begins with a line of column names.');
    header ??= names;
    if (names.join('\n') !== header.join('\n'))
      throw invalid(
        `${path} has other columns than ${files[0]?.path ?? 'the first file'}.`,
        'All files of a table need the same header.',
      );
    for (const [index, row] of body.entries()) {
      if (row.length !== names.length)
        throw invalid(
          `${path}: row ${index + 2} has ${countOf(row.length, 'field')}, and the table ${countOf(names.length, 'column')}.`,
          'Quote fields that hold commas.',
        );
      rows.push(row);
    }
  }
  const names = header ?? [];
  const labelAt = names.indexOf(label);
  if (labelAt < 0)
    throw invalid(
      `There is no column ${JSON.stringify(label)}.`,
      `Set train.classifier.label to one of ${names.slice(0, 20).join(', ')}.`,
    );
  if (rows.length < 2)
    throw invalid(`There ${rows.length === 1 ? 'is one row' : 'are no rows'}.`, 'Give a table of more rows.');
  const classes = valuesOf(rows, labelAt);
  const columns: { readonly at: number; readonly feature: Feature }[] = [];
  for (const [at, name] of names.entries()) {
    if (at === labelAt) continue;
    if (rows.every((row) => isNumber(row[at]))) columns.push({ at, feature: { name } });
    else {
      const values = valuesOf(rows, at);
      if (values.length > mostValues)
        throw invalid(
          `Column ${JSON.stringify(name)} has ${values.length} different texts.`,
          `Leave out columns that name each row, or join values; at most ${mostValues} are told apart.`,
        );
      for (const is of values) columns.push({ at, feature: { name, is } });
    }
  }
  if (columns.length === 0 || columns.length > mostColumns)
    throw invalid(
      `The table makes ${columns.length} numbers a row.`,
      `Between 1 and ${mostColumns} can be used.`,
    );
  const classOf = new Map(classes.map((name, index) => [name, index]));
  return {
    input: { kind: 'table', columns: columns.length },
    features: Float32Array.from({ length: rows.length * columns.length }, (_, index) => {
      const { at, feature } = columns[index % columns.length] as (typeof columns)[number];
      const value = rows[Math.floor(index / columns.length)]?.[at] as string;
      return feature.is === undefined ? Number(value) : Number(value === feature.is);
    }),
    targets: Int32Array.from(rows, (row) => classOf.get(row[labelAt] as string) as number),
    classes,
    columns: columns.map(({ feature }) => feature),
    digest: hash.digest('hex'),
  };
}

function valuesOf(rows: readonly (readonly string[])[], at: number): string[] {
  return [...new Set(rows.map((row) => row[at] as string))].sort();
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && text.trim() !== '' && Number.isFinite(Number(text));
}

function invalid(message: string, hint: string): DataError {
  return new DataError('data_invalid', message, hint);
}
