/** How endpoints and their replicas lie in the store. */
export interface EndpointSpecRecord {
  readonly model: string;
  readonly modelVersionId: string;
  readonly revision: number;
  readonly replicas: number;
  readonly queue: string;
  readonly queueId: string;
  readonly user: string;
  readonly slots: number;
  readonly contextTokens?: number;
  readonly resources: { readonly cpu: number; readonly memory: number; readonly gpu: number };
}

export interface ReplicaSpecRecord {
  readonly revision: number;
  readonly model: string;
  readonly modelVersionId: string;
  readonly slots: number;
  readonly contextTokens?: number;
  readonly resources: EndpointSpecRecord['resources'];
}

export interface ReplicaStatusRecord {
  readonly node?: string;
  readonly devices?: readonly string[];
  readonly restarts: number;
  readonly workerId?: string;
  readonly placedAt?: string;
  readonly readyAt?: string;
  readonly notBefore?: string;
  readonly message?: string;
  readonly waiting?: readonly { readonly code: string; readonly tier: string; readonly message: string }[];
}
