/**
 * How a served tensor model answers labelled rows, and how near its answers are to a source's. Each line of the data is
 * an Open Inference Protocol request with what was right: `{"inputs": [{name, shape, datatype, data}], "label": 3}`; a
 * batch brings `"labels": [3, 1]`. The first output's last dimension is read as classes.
 */
import { RowTally, type RowsMeasured } from '../accuracy/row-tally.ts';
import { type AskedModel, answersInOrder, EvaluationError, refusalOf } from './asked-model.ts';
import { readLines } from './read-lines.ts';

export interface AskedRows {
  readonly candidate: AskedModel;
  readonly source?: AskedModel | undefined;
  /** Lines of JSON. */
  readonly text: string;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

interface Tensor {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export async function evaluateAskedRows({
  candidate,
  source,
  text,
  onProgress,
}: AskedRows): Promise<RowsMeasured> {
  const rows = readLines(text).map(({ line, value }) => readRow(line, value));
  const tally = new RowTally();
  const ask = ({ inputs }: { readonly inputs: readonly unknown[] }) =>
    Promise.all([classesOf(candidate, inputs), source === undefined ? undefined : classesOf(source, inputs)]);
  let done = 0;
  for await (const [{ line, labels }, [mine, theirs]] of answersInOrder(rows, ask)) {
    for (const [at, scores] of mine.entries()) {
      const other = theirs?.[at];
      if (theirs !== undefined && other?.length !== scores.length)
        throw new EvaluationError(
          'not_possible',
          `${candidate.name} and ${source?.name} answer line ${line} in other shapes`,
        );
      tally.add(scores, other, labels[at]);
    }
    onProgress?.((done += 1), rows.length);
  }
  const { measured } = tally;
  if (measured !== undefined) return measured;
  throw new EvaluationError(
    'data_invalid',
    'there is nothing to measure',
    'give rows a label, or another model to compare with: --against',
  );
}

function readRow(line: number, value: Readonly<Record<string, unknown>>) {
  const { inputs, label, labels } = value;
  if (!Array.isArray(inputs))
    throw new EvaluationError(
      'data_invalid',
      `line ${line} has no inputs`,
      'a line is {"inputs": [{"name", "shape", "datatype", "data"}], "label": 3}',
    );
  const known = Array.isArray(labels) ? labels : label === undefined ? [] : [label];
  return { line, inputs: inputs as readonly unknown[], labels: known as readonly (number | undefined)[] };
}

/** Scores of the classes, row by row. */
async function classesOf(
  asked: AskedModel,
  inputs: readonly unknown[],
): Promise<readonly (readonly number[])[]> {
  const answer = await asked.ask(`/v2/models/${encodeURIComponent(asked.model)}/infer`, { inputs });
  const [output] = ((answer.body ?? {}) as { readonly outputs?: readonly Tensor[] }).outputs ?? [];
  if (output === undefined || !Array.isArray(output.data))
    throw new EvaluationError('endpoint_failed', `${asked.name} answered nothing: ${refusalOf(answer)}`);
  const classes = output.shape.at(-1) ?? 1;
  if (classes < 2)
    throw new EvaluationError(
      'not_possible',
      `${asked.name} gives one number a row, not classes`,
      'agreement is measured on classifiers; compare such a model by a metric of your own',
    );
  return Array.from({ length: output.data.length / classes }, (_, row) =>
    output.data.slice(row * classes, (row + 1) * classes),
  );
}
