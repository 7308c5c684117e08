/**
 * Connections to a server of the Open Inference Protocol that does not know its binary extension (MLServer, KServe):
 * what comes in binary goes there as JSON, and the answer becomes binary again where that was asked for. gRPC clients
 * are such clients too: inside the gateway their tensors are binary.
 */
import { binaryHeader } from '@gantry/contract/foreign/oip';
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { canBeJson, rawToValues, valuesToRaw } from '../grpc/tensor-values.ts';
import { parseExactJson, writeExactJson } from '../http/exact-json.ts';
import { answerInstead, refusal, WholeReader, type WholeSaid } from './whole-reader.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters?: Fields;
  readonly data?: readonly unknown[];
}

interface Body {
  readonly parameters?: Fields;
  readonly inputs?: readonly Tensor[];
  readonly outputs?: readonly Tensor[];
}

interface JsonCall {
  readonly body: Buffer;
  readonly wantsBinary: (output: string) => boolean;
}

export function withJsonTensors(dispatcher: Dispatcher): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => {
    const headers = (options.headers ?? {}) as Readonly<Record<string, string>>;
    const length = headers[binaryHeader];
    if (length === undefined || !Buffer.isBuffer(options.body)) return dispatch(options, handler);
    let call: JsonCall;
    try {
      call = toJsonCall(options.body, Number(length));
    } catch (error) {
      answerInstead(handler, refusal(400, error));
      return true;
    }
    const { [binaryHeader]: _, ...rest } = headers;
    return dispatch(
      { ...options, headers: { ...rest, 'content-type': 'application/json' }, body: call.body },
      new WholeReader(
        handler,
        (status) => status === 200,
        (said) => toBinaryAnswer(said, call),
      ),
    );
  });
}

/** Throws where the body is no request, or holds what JSON cannot say. */
function toJsonCall(bytes: Buffer, jsonLength: number): JsonCall {
  const {
    inputs = [],
    outputs,
    parameters,
    ...others
  } = parseExactJson(bytes.subarray(0, jsonLength)) as Body;
  let offset = jsonLength;
  const texts = inputs.map(({ parameters: own, ...input }) => {
    const { binary_data_size: size, ...kept } = own ?? {};
    if (typeof size !== 'number') return { ...input, parameters: kept };
    const raw = bytes.subarray(offset, (offset += size));
    const data = canBeJson(input.datatype, raw) ? rawToValues(input.datatype, raw) : undefined;
    if (data === undefined || raw.length !== size)
      throw new TypeError(`"${input.name}" cannot be said in JSON, which is all that this server reads.`);
    return { ...input, parameters: kept, data };
  });
  const { binary_data_output: isDefault, ...kept } = parameters ?? {};
  const wanted = new Map(outputs?.map((output) => [output.name, output.parameters?.['binary_data']]));
  const body = {
    ...others,
    parameters: kept,
    inputs: texts,
    ...(outputs === undefined ? {} : { outputs: outputs.map(withoutBinary) }),
  };
  return {
    body: Buffer.from(writeExactJson(body)),
    wantsBinary: (output) => {
      const asked = wanted.get(output);
      return typeof asked === 'boolean' ? asked : isDefault === true;
    },
  };
}

function withoutBinary({ parameters, ...output }: Tensor) {
  const { binary_data: _, ...kept } = parameters ?? {};
  return { ...output, parameters: kept };
}

function toBinaryAnswer({ status, headers, body }: WholeSaid, { wantsBinary }: JsonCall): WholeSaid {
  const { outputs = [], ...others } = parseExactJson(body) as Body;
  const tail: Buffer[] = [];
  const said = outputs.map(({ data, ...output }) => {
    if (!wantsBinary(output.name) || data === undefined) return { ...output, data };
    const raw = valuesToRaw(output.datatype, data);
    if (raw === undefined) throw new TypeError(`The server’s "${output.name}" is not what it says it is.`);
    tail.push(raw);
    return { ...output, parameters: { ...output.parameters, binary_data_size: raw.length } };
  });
  const json = Buffer.from(writeExactJson({ ...others, outputs: said }));
  return {
    status,
    headers: withBinaryHead(headers, json.length),
    body: Buffer.concat([json, ...tail]),
  };
}

const withBinaryHead = (headers: IncomingHttpHeaders, jsonLength: number): IncomingHttpHeaders => ({
  ...headers,
  'content-type': 'application/octet-stream',
  [binaryHeader]: String(jsonLength),
});
