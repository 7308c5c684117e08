/** What the gateway says itself, without a model server: JSON of its own, and refusals in the caller's dialect. */
import type { GatewayStats } from '../metering/gateway-stats.ts';
import { dialectOf, type Problem } from './problem.ts';
import type { GatewayRequest, GatewayResponse } from './wire.ts';
import { writeProblem } from './write-problem.ts';

/** One request of anybody, before or after it is known whose it is. */
export interface Asked {
  readonly incoming: GatewayRequest;
  readonly response: GatewayResponse;
  readonly id: string;
}

/** How long a body that is refused for its size is read and dropped, so that the answer arrives before the reset. */
const dropMs = 1_000;

export class Answers {
  readonly #stats: GatewayStats;

  constructor(stats: GatewayStats) {
    this.#stats = stats;
  }

  refuse({ incoming, response, id }: Asked, problem: Problem): void {
    this.#stats.refuse(problem.code);
    writeProblem(response, problem, id, dialectOf(incoming.url));
  }

  refuseTooLarge(asked: Asked, maxBytes: number): void {
    const { incoming, response } = asked;
    response.setHeader('connection', 'close');
    this.refuse(asked, { code: 'request_too_large', detail: `The limit is ${maxBytes} bytes.` });
    incoming.resume();
    const timer = setTimeout(() => incoming.destroy(), dropMs);
    timer.unref();
    incoming.once('close', () => {
      clearTimeout(timer);
    });
  }
}
