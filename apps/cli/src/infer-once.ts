/** One inference of a tensor model through the Open Inference Protocol, its inputs and outputs as nested JSON. */
import { CliError } from './cli-error.ts';
import { endpointRefused, sentenceOf } from './endpoint-refused.ts';

export interface Inference {
  readonly url: string;
  readonly key: string;
  readonly endpoint: string;
  /** `{"name": [[…]]}`, or the values alone where the model has one input. */
  readonly text: string;
}

/** Of a size that the request chooses, -1. */
interface TensorInfo {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

interface Output extends TensorInfo {
  readonly data: readonly unknown[];
}

export async function inferOnce({ url, key, endpoint, text }: Inference): Promise<readonly Output[]> {
  const at = `${url}/v2/models/${encodeURIComponent(endpoint)}`;
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const { inputs } = await answerOf<{ inputs: readonly TensorInfo[] }>(at, { headers });
  const values = readValues(inputs, text);
  if (values === undefined)
    throw new CliError('bad_request', `${endpoint} takes tensors: ${inputs.map(describe).join(', ')}`, {
      hint: `give them as JSON: gantry endpoint try ${endpoint} '${JSON.stringify(Object.fromEntries(inputs.map((each) => [each.name, zerosOf(each.shape)])))}'`,
    });
  const given = inputs.flatMap(({ name, datatype }) => {
    const value = values[name];
    return value === undefined
      ? []
      : [{ name, datatype, shape: shapeOf(value), data: [value].flat(Infinity) }];
  });
  const body = JSON.stringify({ inputs: given });
  return (await answerOf<{ outputs: readonly Output[] }>(`${at}/infer`, { method: 'POST', headers, body }))
    .outputs;
}

export const describeOutputs = (outputs: readonly Output[]): string =>
  outputs.map((each) => `  ${describe(each)}  ${JSON.stringify(nested(each.data, each.shape))}`).join('\n');

const describe = ({ name, datatype, shape }: TensorInfo): string =>
  `${name} ${datatype} [${shape.map((size) => (size < 0 ? '?' : size)).join(', ')}]`;

/** Undefined where the text names no input. */
function readValues(
  inputs: readonly TensorInfo[],
  text: string,
): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const [only, ...others] = inputs;
  if (Array.isArray(value))
    return only === undefined || others.length > 0 ? undefined : { [only.name]: value };
  if (typeof value !== 'object' || value === null) return undefined;
  const named = value as Readonly<Record<string, unknown>>;
  const known = new Set(inputs.map(({ name }) => name));
  const names = Object.keys(named);
  return names.length > 0 && names.every((name) => known.has(name)) ? named : undefined;
}

/** As the first of each level says; the engine checks that the others agree. */
function shapeOf(value: unknown): readonly number[] {
  return Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : [];
}

/** Flat values laid out by shape. */
function nested(data: readonly unknown[], shape: readonly number[]): unknown {
  const [size, ...inner] = shape;
  if (size === undefined) return data[0];
  if (inner.length === 0) return data;
  const step = data.length / size;
  return Array.from({ length: size }, (_, index) =>
    nested(data.slice(index * step, (index + 1) * step), inner),
  );
}

/** An example of the smallest such tensor. */
const zerosOf = (shape: readonly number[]): unknown =>
  shape.reduceRight<unknown>((inner, size) => Array.from({ length: Math.max(1, size) }, () => inner), 0);

async function answerOf<T>(url: string, init: RequestInit): Promise<T> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as T;
  throw endpointRefused(`the endpoint answered ${response.status}: ${sentenceOf(text)}`, response.status);
}
