/** `ModelInfer` between its two dialects: gRPC messages here, REST with binary tensors on the way to the engine. */
import { binaryHeader } from '@gantry/contract/foreign/oip';
import type { OutgoingHttpHeaders } from 'node:http';
import { countOf } from '@gantry/kit';
import { plain, type Parameters, toParameters } from './infer-parameters.ts';
import { toRaw, type TensorContents } from './tensor-contents.ts';
import { parseJson } from '../http/parse-json.ts';

export interface InferMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Parameters;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly string[];
    readonly parameters: Parameters;
    readonly contents: TensorContents | null;
  }[];
  readonly outputs: readonly { readonly name: string; readonly parameters: Parameters }[];
  readonly raw_input_contents: readonly Buffer[];
}

export interface RestBody {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Undefined, with the reason, when the message contradicts itself. */
export function toRest(message: InferMessage): RestBody | { readonly reason: string } {
  const { inputs, raw_input_contents: raws } = message;
  if (raws.length > 0 && raws.length !== inputs.length)
    return {
      reason: `raw_input_contents has ${countOf(raws.length, 'entry', 'entries')} for ${countOf(inputs.length, 'input')}.`,
    };
  const tail: Buffer[] = [];
  for (const [index, { name, datatype, contents }] of inputs.entries()) {
    const raw = raws[index] ?? toRaw(datatype, contents ?? {});
    if (raw === undefined)
      return { reason: `"${name}": ${datatype || 'a tensor'} comes in raw_input_contents only.` };
    tail.push(raw);
  }
  const json = Buffer.from(
    JSON.stringify({
      ...(message.id === '' ? {} : { id: message.id }),
      parameters: { ...plain(message.parameters), binary_data_output: true },
      inputs: inputs.map(({ name, datatype, shape, parameters }, index) => ({
        name,
        datatype,
        shape: shape.map(Number),
        parameters: { ...plain(parameters), binary_data_size: tail[index]?.length ?? 0 },
      })),
      ...(message.outputs.length === 0
        ? {}
        : {
            outputs: message.outputs.map(({ name, parameters }) => ({
              name,
              parameters: { ...plain(parameters), binary_data: true },
            })),
          }),
    }),
  );
  return {
    headers: { 'content-type': 'application/octet-stream', [binaryHeader]: String(json.length) },
    body: Buffer.concat([json, ...tail]),
  };
}

/** The engine's answer as a message; throws when it is none. */
export function toMessage({ headers, body }: { headers: OutgoingHttpHeaders; body: Buffer }): object {
  const length = Number(headers[binaryHeader] ?? body.length);
  const answer = parseJson(body.subarray(0, length)) as {
    readonly model_name: string;
    readonly model_version?: string;
    readonly id?: string;
    readonly parameters?: Readonly<Record<string, unknown>>;
    readonly outputs: readonly {
      readonly name: string;
      readonly datatype: string;
      readonly shape: readonly number[];
      readonly parameters?: { readonly binary_data_size?: number };
    }[];
  };
  let offset = length;
  const raws = answer.outputs.map(({ name, parameters }) => {
    const size = parameters?.binary_data_size;
    if (size === undefined || offset + size > body.length)
      throw new Error(`the engine sent no binary "${name}"`);
    offset += size;
    return body.subarray(offset - size, offset);
  });
  return {
    model_name: answer.model_name,
    model_version: answer.model_version ?? '',
    id: answer.id ?? '',
    parameters: toParameters(answer.parameters),
    outputs: answer.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_output_contents: raws,
  };
}
