/**
 * What a tensor server of somebody else means by an error: the status as the gateway's own replicas would say it (a
 * wrong request must not look like a broken server, which is asked again and then left alone), and `{ error }` as the
 * Open Inference Protocol's clients read one. Each row was taken from a real server.
 */
import type { RemoteEngine } from '@gantry/contract';
import type { Dispatcher } from 'undici';
import { parseJson } from '../http/parse-json.ts';
import { WholeReader, type WholeSaid } from './whole-reader.ts';

interface Refusal {
  readonly status: number;
  readonly error: string;
}

/** An error page beyond this is cut: nobody reads further. */
const maxBytes = 64 * 1024;
const maxChars = 2_000;

const statuses: Readonly<Partial<Record<RemoteEngine, (refusal: Refusal) => number>>> = {
  // 2.51 answers 500 to JSON that it cannot read.
  triton: ({ status, error }) =>
    status === 500 && /^(?:Unable to parse|failed to parse the request JSON)/.test(error) ? 400 : status,
  // 0.12 answers 503 where a handler threw; where it has no room it says ServiceUnavailableException.
  torchserve: ({ status, error }) => (status === 503 && error === 'Prediction failed' ? 500 : status),
};

const speaksTensors: ReadonlySet<RemoteEngine> = new Set([
  'oip',
  'openvino',
  'triton',
  'tfserving',
  'torchserve',
]);

/** For connections to such a server; others are left as they are. */
export function withRefusals(engine: RemoteEngine, dispatcher: Dispatcher): Dispatcher {
  if (!speaksTensors.has(engine)) return dispatcher;
  return dispatcher.compose(
    (dispatch) => (options, handler) =>
      dispatch(
        options,
        new WholeReader(
          handler,
          (status) => status >= 400,
          (said) => understood(engine, said),
        ),
      ),
  );
}

function understood(engine: RemoteEngine, { status, headers, body }: WholeSaid): WholeSaid {
  const error = errorOf(body.subarray(0, maxBytes)) ?? `The model server answered ${status}.`;
  const { 'content-encoding': _, ...rest } = headers;
  return {
    status: statuses[engine]?.({ status, error }) ?? status,
    headers: { ...rest, 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ error: error.slice(0, maxChars) })),
  };
}

/** `error` (the protocol), `message` (TorchServe), FastAPI's `detail`; of a Python traceback its last line. */
function errorOf(body: Buffer): string | undefined {
  const text = body.toString('utf8').trim();
  if (text === '') return undefined;
  try {
    const said = parseJson(body) as Readonly<Record<string, unknown>> | null;
    const { error, message, detail } = said ?? {};
    for (const each of [error, message, detail]) if (typeof each === 'string') return each;
    return Array.isArray(detail) ? detail.map(faultOf).join('; ') : text;
  } catch {
    return text.startsWith('Traceback') ? text.split('\n').at(-1) : text;
  }
}

function faultOf(fault: unknown): string {
  const { loc, msg } = (fault ?? {}) as { readonly loc?: unknown; readonly msg?: unknown };
  return `${Array.isArray(loc) ? loc.join('.') : 'body'}: ${String(msg)}`;
}
