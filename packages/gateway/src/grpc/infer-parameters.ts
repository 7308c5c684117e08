/** Parameters of requests and answers between REST, where they are plain values, and gRPC, where each names its type. */
import { exactNumber } from '../http/exact-json.ts';

type Fields = Readonly<Record<string, unknown>>;
type Parameter = Fields & { readonly parameter_choice?: string };
export type Parameters = Readonly<Record<string, Parameter>>;

export function plain(parameters: Parameters | undefined): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(parameters ?? {}).map(([name, parameter]) => {
      const choice = parameter.parameter_choice ?? '';
      const value = parameter[choice];
      return [name, choice.includes('int64') ? exactNumber(BigInt(value as string)) : value];
    }),
  );
}

/** Those about binary data are REST's own. */
const restOnly: ReadonlySet<string> = new Set(['binary_data', 'binary_data_size', 'binary_data_output']);

export function toParameters(parameters: Fields = {}): Fields {
  return Object.fromEntries(
    Object.entries(parameters).flatMap(([name, value]) => {
      const parameter = restOnly.has(name) ? undefined : toParameter(value);
      return parameter === undefined ? [] : [[name, parameter]];
    }),
  );
}

function toParameter(value: unknown): Fields | undefined {
  switch (typeof value) {
    case 'boolean':
      return { bool_param: value };
    case 'number':
      return Number.isSafeInteger(value) ? { int64_param: String(value) } : { double_param: value };
    case 'bigint':
      return value < 2n ** 63n ? { int64_param: String(value) } : { uint64_param: String(value) };
    case 'string':
      return { string_param: value };
    default:
      return undefined;
  }
}
