/**
 * How a tensor model's endpoint answers labelled rows, and how near its answers are to a source's. Each line of the
 * file is an Open Inference Protocol request with what was right: `{"inputs": [{name, shape, datatype, data}], "label": 3}`;
 * a batch brings `"labels": [3, 1]`. The first output's last dimension is read as classes.
 */
import { accuracyFailures, RowTally } from '@gantry/conversion';
import { CliError } from '../cli-error.ts';
import type { Evaluation } from './evaluate-endpoint.ts';

interface Row {
  readonly inputs: readonly unknown[];
  readonly label?: number;
  readonly labels?: readonly number[];
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export async function evaluateRows(
  access: { readonly url: string; readonly key: string },
  {
    endpoint,
    against,
    text,
  }: { readonly endpoint: string; readonly against?: string; readonly text: string },
): Promise<Omit<Evaluation, 'data'>> {
  const tally = new RowTally();
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const { inputs, labels } = readRow(line, at + 1);
    const mine = await classesOf(access, endpoint, inputs);
    const theirs = against === undefined ? undefined : await classesOf(access, against, inputs);
    for (const [row, candidate] of mine.entries()) {
      const source = theirs?.[row];
      if (theirs !== undefined && source?.length !== candidate.length)
        throw new CliError('bad_request', `${endpoint} and ${against} answer line ${at + 1} in other shapes`);
      tally.add(candidate, source, labels[row]);
    }
  }
  const { measured } = tally;
  if (measured === undefined)
    throw new CliError('bad_data', 'nothing to measure', {
      hint: 'give rows a label, or another endpoint with --against',
    });
  const { rows, comparison } = measured;
  const failures = comparison === undefined ? [] : accuracyFailures(comparison);
  return { endpoint, against, tokens: rows, ...measured, comparison, failures };
}

function readRow(line: string, number: number) {
  let row: Row;
  try {
    row = JSON.parse(line) as Row;
  } catch {
    throw new CliError('bad_data', `line ${number} is no JSON`);
  }
  if (!Array.isArray(row.inputs))
    throw new CliError('bad_data', `line ${number} has no inputs`, {
      hint: 'a line is {"inputs": [{"name", "shape", "datatype", "data"}], "label": 3}',
    });
  const labels = row.labels ?? (row.label === undefined ? [] : [row.label]);
  return { inputs: row.inputs, labels };
}

/** Scores of the classes, row by row. */
async function classesOf(
  { url, key }: { readonly url: string; readonly key: string },
  model: string,
  inputs: readonly unknown[],
): Promise<readonly (readonly number[])[]> {
  const response = await fetch(`${url}/v2/models/${encodeURIComponent(model)}/infer`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ inputs }),
  });
  const body = (await response.json()) as { readonly error?: string; readonly outputs?: readonly Tensor[] };
  const [output] = body.outputs ?? [];
  if (output === undefined)
    throw new CliError('endpoint_failed', `${model} answered nothing: ${body.error ?? response.status}`);
  const classes = output.shape.at(-1) ?? 1;
  if (classes < 2)
    throw new CliError('bad_request', `${model} gives one number a row, not classes`, {
      hint: 'agreement is measured on classifiers; compare such a model by a metric of your own',
    });
  return Array.from({ length: output.data.length / classes }, (_, row) =>
    output.data.slice(row * classes, (row + 1) * classes),
  );
}
