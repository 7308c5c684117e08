/** What is held against one request: that replicas died under one like it. */
import { isCut } from '../relay/connection-errors.ts';
import type { ExchangeInput } from '../relay/exchange-input.ts';
import { suspectWaitMs } from '../relay/exchange-rules.ts';
import type { GatewayContext } from '../gateway-context.ts';
import type { InferenceRequest } from '../requests/inference-request.ts';
import { fingerprint } from './quarantine.ts';

interface Suspicious {
  readonly tenantId: string;
  readonly endpointId: string;
  readonly url: string;
  readonly request: InferenceRequest;
}

export class Suspicion {
  readonly #context: GatewayContext;
  readonly #who: Suspicious;
  /** Its fingerprint, once there is something against it. */
  #suspect: string | undefined;

  constructor(context: GatewayContext, { principal, route, incoming, request }: ExchangeInput) {
    this.#context = context;
    const { tenantId } = principal;
    const url = incoming.url ?? '';
    this.#who = { tenantId, endpointId: route.route.endpointId, url, request };
    this.#suspect = context.quarantine.fingerprintIfAny(tenantId, url, request.bytes);
  }

  get isSuspect(): boolean {
    return this.#suspect !== undefined;
  }

  isRefused(): boolean {
    const { quarantine, now } = this.#context;
    return this.#suspect !== undefined && quarantine.isRefused(this.#suspect, now());
  }

  /** Suspects of a crash run one at a time: the next crash then tells who it was. */
  mayRunNow(): boolean {
    return this.#suspect === undefined || this.#context.quarantine.enter(this.#who.endpointId, this.#suspect);
  }

  /** How long it waits for its next try: a suspect for its turn to run alone, others until a replica can be had. */
  waitMs(usableMs: number | undefined): number | undefined {
    return this.isSuspect ? Math.min(usableMs ?? Infinity, suspectWaitMs) : usableMs;
  }

  /** The replica died under it. True when it was the only suspect, for the second time. */
  isCondemned(replicaId: string, error: Error): boolean {
    if (!isCut(error)) return false;
    const { tenantId, url, request } = this.#who;
    this.#suspect ??= fingerprint(tenantId, url, request.bytes);
    return this.#context.quarantine.strike(this.#suspect, replicaId, this.#context.now());
  }

  end(status: number): void {
    if (this.#suspect === undefined) return;
    if (status < 400) this.#context.quarantine.clear(this.#suspect);
    this.#context.quarantine.leave(this.#who.endpointId, this.#suspect);
  }
}
