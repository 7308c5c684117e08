/** A Responses request with the conversation that it continues put before its own input. */
import type { ParseOutcome } from '../requests/parse-request.ts';
import { parseRequest } from '../requests/parse-request.ts';
import { isUnderWay, type ResponseStore } from './response-store.ts';
import { parseJson } from '../http/parse-json.ts';

/** To answer, or to say only how long the prompt is. */
type ResponsesOperation = 'responses' | 'responses/input_tokens';

export function parseResponses(
  store: ResponseStore,
  tenantId: string,
  bytes: Buffer,
  operation: ResponsesOperation,
): ParseOutcome {
  const parsed = parseRequest(operation, bytes);
  if ('problem' in parsed) return parsed;
  const { background, ...fields } = parsed.request.fields;
  const isBackground = background === true;
  const previousId = fields['previous_response_id'];
  let input = itemsOf(fields['input']);
  let outcome: ParseOutcome = isBackground ? again(operation, fields) : parsed;
  if (typeof previousId === 'string') {
    const previous = store.get(tenantId, previousId);
    if (previous === undefined)
      return { problem: { code: 'response_not_found', param: 'previous_response_id' } };
    if (isUnderWay(previous.response))
      return invalid(
        'previous_response_id',
        'That response is still under way: continue it when it is complete.',
      );
    input = [...previous.input, ...outputOf(previous.response), ...input];
    outcome = again(operation, { ...fields, input });
  }
  if ('problem' in outcome || operation !== 'responses') return outcome;
  if (isBackground) {
    if (fields['store'] === false)
      return invalid('store', 'A background response must be stored: how else would you read it?');
    return { ...outcome, background: { input } };
  }
  if (fields['store'] === false) return outcome;
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

const again = (operation: ResponsesOperation, fields: Readonly<Record<string, unknown>>): ParseOutcome =>
  parseRequest(operation, Buffer.from(JSON.stringify(fields)));

const invalid = (param: string, detail: string): ParseOutcome => ({
  problem: { code: 'invalid_request', param, detail },
});

function itemsOf(input: unknown): readonly unknown[] {
  return Array.isArray(input) ? (input as unknown[]) : [{ type: 'message', role: 'user', content: input }];
}

function outputOf({ output }: Readonly<Record<string, unknown>>): readonly unknown[] {
  return Array.isArray(output) ? (output as unknown[]) : [];
}

/** A whole answer, or the last event of a stream, which carries it. */
function parseAnswer(answer: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = parseJson(answer) as Record<string, unknown>;
    return (value['response'] as Record<string, unknown> | undefined) ?? value;
  } catch {
    return undefined;
  }
}
