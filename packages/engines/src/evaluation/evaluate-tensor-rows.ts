/**
 * How an ONNX classifier answers labelled rows, and how near its answers are to its source's. Each line is an Open
 * Inference Protocol request with what was right: `{"inputs": [{name, shape, datatype, data}], "label": 3}`; a batch
 * brings `"labels": [3, 1]`. The first output's last dimension is read as classes.
 */
import { RowTally, type RowsMeasured } from '@gantry/conversion';
import { defaultBatchPolicy } from '@gantry/serving';
import { EngineError } from '../engine-error.ts';
import { parseInfer } from '../oip/parse-infer.ts';
import { decodeValues } from '../oip/json-values.ts';
import { openTensorModel } from '../onnx/open-tensor-model.ts';
import type { TensorModel } from '../onnx/tensor-model.ts';

export interface RowEvaluation {
  readonly candidate: string;
  readonly source?: string;
  readonly text: string;
  readonly threads: number;
}

export async function evaluateTensorRows({
  candidate,
  source,
  text,
  threads,
}: RowEvaluation): Promise<RowsMeasured> {
  await using mine = await open(candidate, threads);
  await using theirs = source === undefined ? undefined : await open(source, threads);
  const tally = new RowTally();
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      const labels = labelsOf(line);
      const answers = await classesOf(mine, line);
      const sources = theirs === undefined ? undefined : await classesOf(theirs, line);
      for (const [row, classes] of answers.entries()) tally.add(classes, sources?.[row], labels[row]);
    } catch (error) {
      throw new EngineError('invalid_value', `line ${at + 1}: ${(error as Error).message}`, { cause: error });
    }
  }
  const { measured } = tally;
  if (measured !== undefined) return measured;
  throw new EngineError('invalid_value', 'There is nothing to measure.', {
    hint: 'Give rows a label, or another version to compare with.',
  });
}

const open = (modelPath: string, threads: number): Promise<TensorModel> =>
  openTensorModel({ modelPath, threads, policy: defaultBatchPolicy, isBatchDeclared: false });

function labelsOf(line: string): readonly (number | undefined)[] {
  const { label, labels } = JSON.parse(line) as { readonly label?: number; readonly labels?: number[] };
  return labels ?? [label];
}

/** Scores of the classes, a row each. */
async function classesOf(model: TensorModel, line: string): Promise<readonly (readonly number[])[]> {
  const [output] = await model.infer(parseInfer(Buffer.from(line), undefined), new AbortController().signal);
  const classes = output?.shape.at(-1) ?? 1;
  if (output === undefined || classes < 2)
    throw new EngineError('unsupported', 'The model gives one number a row, not classes.', {
      hint: 'Compare such a model by a metric of your own.',
    });
  const values = decodeValues(output) as number[];
  return Array.from({ length: values.length / classes }, (_, row) =>
    values.slice(row * classes, (row + 1) * classes),
  );
}
