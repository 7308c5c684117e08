/**
 * How a tensor model's endpoint answers labelled rows, and how near its answers are to a source's. Each line of the
 * file is an Open Inference Protocol request with what was right: `{"inputs": [{name, shape, datatype, data}], "label": 3}`;
 * a batch brings `"labels": [3, 1]`. The first output's last dimension is read as classes.
 */
import { type AccuracyPosition, accuracyFailures, compareAccuracy } from '@gantry/conversion';
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
  const positions: AccuracyPosition[] = [];
  let [right, labelled, loss] = [0, 0, 0];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const { inputs, labels } = readRow(line, at + 1);
    const mine = await classesOf(access, endpoint, inputs);
    const theirs = against === undefined ? undefined : await classesOf(access, against, inputs);
    for (const [index, candidate] of mine.entries()) {
      const label = labels[index];
      if (label !== undefined) {
        labelled += 1;
        if (likeliest(candidate) === label) right += 1;
        loss -= candidate[label] ?? -Infinity;
      }
      const source = theirs?.[index];
      if (theirs === undefined) continue;
      if (source?.length !== candidate.length)
        throw new CliError('bad_request', `${endpoint} and ${against} answer line ${at + 1} in other shapes`);
      positions.push({ source, candidate, actual: label ?? likeliest(source) });
    }
  }
  if (labelled === 0 && positions.length === 0)
    throw new CliError('bad_data', 'nothing to measure', {
      hint: 'give rows a label, or another endpoint with --against',
    });
  const comparison = positions.length === 0 ? undefined : compareAccuracy(positions);
  return {
    endpoint,
    against,
    tokens: Math.max(labelled, positions.length),
    perplexity: labelled === 0 ? (comparison?.candidatePerplexity ?? Infinity) : Math.exp(loss / labelled),
    metrics: labelled === 0 ? {} : { accuracy: right / labelled },
    comparison,
    failures: comparison === undefined ? [] : accuracyFailures(comparison),
  };
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

/** Log probabilities of the classes, row by row. */
async function classesOf(
  { url, key }: { readonly url: string; readonly key: string },
  model: string,
  inputs: readonly unknown[],
): Promise<readonly Float64Array[]> {
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
    logProbabilities(output.data.slice(row * classes, (row + 1) * classes)),
  );
}

/** Of probabilities or of scores before a softmax; either way finite. */
function logProbabilities(values: readonly number[]): Float64Array {
  const least = 1e-12;
  const sum = values.reduce((total, value) => total + value, 0);
  if (values.every((value) => value >= 0 && value <= 1) && Math.abs(sum - 1) < 1e-3)
    return Float64Array.from(values, (value) => Math.log(Math.max(least, value)));
  const highest = Math.max(...values);
  const rest = Math.log(values.reduce((total, value) => total + Math.exp(value - highest), 0));
  return Float64Array.from(values, (value) => value - highest - rest);
}

const likeliest = (values: Float64Array): number =>
  values.reduce((best, value, at) => (value > (values[best] as number) ? at : best), 0);
