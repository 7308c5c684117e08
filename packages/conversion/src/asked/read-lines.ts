import { EvaluationError } from './asked-model.ts';

export interface DataLine {
  /** From 1. */
  readonly line: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Lines of JSON objects; empty ones are left out. */
export function readLines(text: string): readonly DataLine[] {
  return text.split('\n').flatMap((line, at) => {
    if (line.trim() === '') return [];
    try {
      return [{ line: at + 1, value: Object(JSON.parse(line)) as DataLine['value'] }];
    } catch {
      throw new EvaluationError('data_invalid', `line ${at + 1} is no JSON`);
    }
  });
}
