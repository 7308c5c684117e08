/** A layout in the words of one training program, or why that program has none for it. */
import type { Layout, TrainingTask } from '../layout.ts';

export type LaunchFile =
  | { readonly name: string; readonly text: string; readonly notes: readonly string[] }
  | { readonly reason: string };

export type LaunchWriter = (task: TrainingTask, layout: Layout) => LaunchFile;

export const jsonFile = (name: string, value: unknown, notes: readonly string[] = []): LaunchFile => ({
  name,
  text: `${JSON.stringify(value, undefined, 2)}\n`,
  notes,
});

type Scalar = string | number | boolean;
export interface YamlMap {
  readonly [key: string]: Scalar | readonly string[] | YamlMap;
}

/** Maps of scalars and short lists, which is all that these files hold; what is no plain word is quoted. */
export function yamlFile(name: string, value: YamlMap, notes: readonly string[] = []): LaunchFile {
  return { name, text: yamlLines(value, '').join(''), notes };
}

function yamlLines(value: YamlMap, indent: string): readonly string[] {
  return Object.entries(value).flatMap(([key, each]) =>
    isMap(each)
      ? [`${indent}${key}:\n`, ...yamlLines(each, `${indent}  `)]
      : [`${indent}${key}: ${scalarText(each)}\n`],
  );
}

const isMap = (value: YamlMap[string]): value is YamlMap =>
  typeof value === 'object' && !Array.isArray(value);

const scalarText = (value: Scalar | readonly string[]): string =>
  typeof value === 'string' && /^[A-Za-z][\w.-]*$/.test(value) ? value : JSON.stringify(value);
