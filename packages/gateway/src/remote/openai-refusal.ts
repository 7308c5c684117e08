/**
 * A refusal of a server that is not ours, as clients of OpenAI read one. Servers answer with FastAPI's `detail` (vLLM
 * for a path that it has not), a line of text (transformers' own where it fails) or a proxy's page; what has OpenAI's
 * form already stays as it came.
 */
import { parseJson } from '../http/parse-json.ts';

const maxChars = 2_000;

/** The body of an answer of 400 and above; its status stays. */
export function openaiRefusal(status: number, body: Buffer): Buffer {
  const said = asJson(body);
  if (isOpenai(said)) return body;
  const isTheirs = status >= 500;
  const sentence = isTheirs
    ? `The model server failed with ${status}`
    : `The model server refused it with ${status}`;
  const why = reasonOf(said);
  return Buffer.from(
    JSON.stringify({
      error: {
        message: why === undefined ? `${sentence}.` : `${sentence}: ${why.slice(0, maxChars)}`,
        type: isTheirs ? 'server_error' : 'invalid_request_error',
        param: null,
        code: isTheirs ? 'upstream_failed' : 'upstream_refused',
      },
    }),
  );
}

function asJson(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const isOpenai = ({ error }: { readonly error?: unknown }): boolean =>
  typeof error === 'object' && error !== null;

/** FastAPI: a sentence, or a list of what is wrong where; others: `message`, or `error` as a sentence. */
function reasonOf({ detail, message, error }: Readonly<Record<string, unknown>>): string | undefined {
  for (const said of [detail, message, error]) if (typeof said === 'string') return said;
  if (!Array.isArray(detail)) return undefined;
  const found = (detail as readonly { readonly loc?: unknown; readonly msg?: unknown }[]).flatMap((each) => {
    const { loc, msg } = each ?? {};
    if (typeof msg !== 'string') return [];
    return [Array.isArray(loc) ? `${loc.join('.')}: ${msg}` : msg];
  });
  return found.length === 0 ? undefined : found.join('; ');
}
