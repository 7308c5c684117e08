/**
 * What a known caller asks, by its path: an operation on a model, a response that was kept, a listing, or one of the Open
 * Inference Protocol's verbs. Bodies are read whole within the room that the gateway has for them.
 */
import { writeWhole } from '../answer-cache/cached-answer.ts';
import type { GatewayContext } from '../gateway-context.ts';
import { BodyRoom } from '../limits/body-room.ts';
import type { Call, Intake } from '../requests/intake.ts';
import { parseOipPath, toOipRequest } from '../requests/parse-oip.ts';
import { operationPaths, parseRequest, type ParseOutcome } from '../requests/parse-request.ts';
import { BackgroundResponses, type ResponseAnswer } from '../responses/background-responses.ts';
import { parseResponses } from '../responses/continue-response.ts';
import { EventFollowers } from '../responses/event-followers.ts';
import { keptResponse } from '../responses/response-routes.ts';
import { isCountedThere } from '../routes/choose-arm.ts';
import type { Answers } from './answers.ts';
import { listModels, modelReadiness, type Listing } from './listings.ts';
import type { Problem } from './problem.ts';
import { wholeBody } from './whole-body.ts';

const noRoom: Problem = {
  code: 'overloaded',
  detail: 'The gateway holds as many bytes of requests as it can.',
  retryAfterMs: 1_000,
};

interface CallPathsOptions {
  readonly maxBodyBytes: number;
  /** Of all bodies together. */
  readonly maxHeldBytes: number;
  readonly onError: (error: unknown, requestId: string) => void;
}

export class CallPaths {
  /** Who watches a response that is made in the background. */
  readonly followers = new EventFollowers();
  readonly #context: GatewayContext;
  readonly #intake: Intake;
  readonly #answers: Answers;
  readonly #options: CallPathsOptions;
  readonly #bodies: BodyRoom;
  readonly #background: BackgroundResponses;

  constructor(context: GatewayContext, intake: Intake, answers: Answers, options: CallPathsOptions) {
    this.#context = context;
    this.#intake = intake;
    this.#answers = answers;
    this.#options = options;
    this.#bodies = new BodyRoom(options.maxHeldBytes);
    this.#background = new BackgroundResponses(context.responses, intake, this.#bodies);
  }

  take(call: Call, path: string): void {
    const { incoming, principal } = call;
    const { table, responses, now } = this.#context;
    const { tenantId } = principal;
    const operation = operationPaths[path];
    if (operation !== undefined) {
      this.#read(call, 'POST', (bytes) =>
        operation === 'responses' || operation === 'responses/input_tokens'
          ? parseResponses(responses, tenantId, bytes, operation)
          : parseRequest(operation, bytes),
      );
      return;
    }
    const kept = keptResponse(responses, this.#background, tenantId, incoming.method, incoming.url ?? '/');
    if (kept !== undefined) {
      this.#answer(call, kept);
      return;
    }
    const oip = parseOipPath(path);
    if (oip === undefined) this.#list(call, listModels(table, tenantId, path));
    else if (oip.verb === 'ready' && !isCountedThere(table.lookup(tenantId, oip.model), oip.version))
      this.#list(call, modelReadiness(table, tenantId, oip.model, oip.version, now()));
    else
      this.#read(call, oip.verb === 'infer' ? 'POST' : 'GET', (bytes) => ({
        request: toOipRequest(oip, bytes, incoming.headers),
      }));
  }

  #read(call: Call, method: 'GET' | 'POST', parse: (bytes: Buffer) => ParseOutcome): void {
    const { incoming, response, id, principal } = call;
    if (incoming.method !== method) {
      this.#answers.refuse(call, { code: 'method_not_allowed', detail: `Use ${method}.` });
      return;
    }
    const { maxBodyBytes: maxBytes, onError } = this.#options;
    const { grow } = this.#bodies.holdFor(principal.tenantId, response);
    wholeBody(incoming, { maxBytes, grow }, (body) => {
      if (body.kind === 'gone' || response.destroyed) return;
      try {
        if (body.kind === 'bytes') this.#infer(call, parse(body.bytes));
        else if (body.kind === 'too-large') this.#answers.refuseTooLarge(call, maxBytes);
        else if (body.kind === 'no-room') this.#answers.refuse(call, noRoom);
        else this.#answers.refuse(call, { code: 'invalid_request', detail: body.detail });
      } catch (error) {
        onError(error, id);
        if (!response.headersSent) this.#answers.refuse(call, { code: 'internal' });
        else response.destroy();
      }
    });
  }

  #infer(call: Call, parsed: ParseOutcome): void {
    if ('problem' in parsed) {
      this.#answers.refuse(call, parsed.problem);
      return;
    }
    const { request, background } = parsed;
    if (background !== undefined) {
      this.#answer(call, this.#background.start(call, request, background.input));
      return;
    }
    const problem = this.#intake.take(call, request);
    if (problem !== undefined) this.#answers.refuse(call, problem);
  }

  #answer(call: Call, answer: ResponseAnswer): void {
    if ('problem' in answer) this.#answers.refuse(call, answer.problem);
    else if ('json' in answer) writeWhole(call, answer.json);
    else this.followers.follow(call, answer, this.#context.options.stalledClientMs);
  }

  #list(call: Call, listing: Listing | undefined): void {
    if (listing === undefined) this.#answers.refuse(call, { code: 'unknown_path' });
    else if (call.incoming.method !== 'GET')
      this.#answers.refuse(call, { code: 'method_not_allowed', detail: 'Use GET.' });
    else if ('problem' in listing) this.#answers.refuse(call, listing.problem);
    else writeWhole(call, listing.json);
  }
}
