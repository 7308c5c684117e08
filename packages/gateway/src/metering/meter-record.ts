/** One answered request, for the ledger. `id` makes it idempotent: the same record twice counts once. */
export interface MeterRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly principalId: string;
  readonly endpointId: string;
  readonly revisionId: string | undefined;
  readonly replicaId: string | undefined;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly requestMs: number;
  readonly ttftMs: number | undefined;
  /** As answered; 499 when the client left first. */
  readonly status: number;
  /** Tokens were counted by frames because the engine's own count never came (it died, or the client left). */
  readonly isEstimated: boolean;
}
