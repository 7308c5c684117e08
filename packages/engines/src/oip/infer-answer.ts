/** Outputs → the answer's JSON, with raw tensors behind it where they were asked for in binary. */
import { decodeValues } from './json-values.ts';
import type { InferCall } from './parse-infer.ts';
import type { WireTensor } from './wire-tensor.ts';

/** The body of an answer: the JSON, then the raw tensors of `tail` in the order of its outputs. */
export interface InferAnswer {
  readonly json: Buffer;
  readonly tail: readonly Uint8Array[];
}

/** Binary or JSON as the call says of each output, else as it says of all. */
export function toInferAnswer(
  model: { readonly name: string; readonly version: string },
  call: Pick<InferCall, 'id' | 'outputs' | 'isBinaryDefault'>,
  outputs: readonly WireTensor[],
): InferAnswer {
  const tail: Uint8Array[] = [];
  const written = outputs.map((tensor) => {
    const { name, datatype, shape, bytes } = tensor;
    const isBinary = call.outputs.find((one) => one.name === name)?.isBinary ?? call.isBinaryDefault;
    if (!isBinary) return { name, datatype, shape, data: decodeValues(tensor) };
    tail.push(bytes);
    return { name, datatype, shape, parameters: { binary_data_size: bytes.byteLength } };
  });
  const body = {
    model_name: model.name,
    model_version: model.version,
    ...(call.id === undefined ? {} : { id: call.id }),
    outputs: written,
  };
  return { json: Buffer.from(JSON.stringify(body)), tail };
}
