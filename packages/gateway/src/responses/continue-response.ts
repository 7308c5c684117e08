/** A Responses request with the conversation that it continues put before its own input. */
import type { ParseOutcome } from '../requests/parse-request.ts';
import { parseRequest } from '../requests/parse-request.ts';
import type { ResponseStore } from './response-store.ts';

export function parseResponses(store: ResponseStore, tenantId: string, bytes: Buffer): ParseOutcome {
  const parsed = parseRequest('responses', bytes);
  if ('problem' in parsed) return parsed;
  const { fields } = parsed.request;
  const previousId = fields['previous_response_id'];
  let input = itemsOf(fields['input']);
  let outcome: ParseOutcome = parsed;
  if (typeof previousId === 'string') {
    const previous = store.get(tenantId, previousId);
    if (previous === undefined)
      return { problem: { code: 'response_not_found', param: 'previous_response_id' } };
    input = [...previous.input, ...outputOf(previous.response), ...input];
    outcome = parseRequest('responses', Buffer.from(JSON.stringify({ ...fields, input })));
  }
  if ('problem' in outcome || fields['store'] === false) return outcome;
  return {
    request: {
      ...outcome.request,
      keep: (answer) => {
        const response = parseAnswer(answer);
        const id = response?.['id'];
        if (response === undefined || typeof id !== 'string') return;
        const bytes = answer.length + outcome.request.bytes.length;
        store.set(tenantId, id, { model: outcome.request.model, input, response, bytes });
      },
    },
  };
}

function itemsOf(input: unknown): readonly unknown[] {
  return Array.isArray(input) ? (input as unknown[]) : [{ type: 'message', role: 'user', content: input }];
}

function outputOf({ output }: Readonly<Record<string, unknown>>): readonly unknown[] {
  return Array.isArray(output) ? (output as unknown[]) : [];
}

/** A whole answer, or the last event of a stream, which carries it. */
function parseAnswer(answer: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(answer.toString('utf8')) as Record<string, unknown>;
    return (value['response'] as Record<string, unknown> | undefined) ?? value;
  } catch {
    return undefined;
  }
}
