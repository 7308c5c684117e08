/**
 * Requests that end the replica they run on. Whoever was on a replica when it died is a suspect; suspects are tried
 * again one at a time, and one that is alone under suspicion when a second replica dies is refused from then on.
 * So a bystander is cleared by its retry, and a poisonous request costs two replicas, not all of them.
 */
import { createHash } from 'node:crypto';

const quarantineMs = 600_000;
const maxEntries = 10_000;

interface Suspicion {
  /** That died while it ran there. A replica whose connections break again and again is one. */
  readonly replicas: Set<string>;
  untilMs: number;
}

export class Quarantine {
  readonly #suspicions = new Map<string, Suspicion>();
  /** Endpoints where a suspect runs now. */
  readonly #running = new Map<string, string>();

  /** The fingerprint of a request; undefined while nobody is suspected, which spares the hashing. */
  fingerprintIfAny(tenantId: string, path: string, bytes: Buffer): string | undefined {
    return this.#suspicions.size === 0 ? undefined : fingerprint(tenantId, path, bytes);
  }

  isRefused(print: string, nowMs: number): boolean {
    const found = this.#suspicions.get(print);
    if (found === undefined) return false;
    if (found.untilMs > nowMs) return found.replicas.size >= 2;
    this.#suspicions.delete(print);
    return false;
  }

  /** Its replica died. True when it is to be refused now. */
  strike(print: string, replicaId: string, nowMs: number): boolean {
    const found = this.#suspicions.get(print) ?? { replicas: new Set<string>(), untilMs: 0 };
    found.replicas.add(replicaId);
    found.untilMs = nowMs + quarantineMs;
    this.#suspicions.set(print, found);
    if (this.#suspicions.size > maxEntries) {
      const [oldest] = this.#suspicions.keys();
      if (oldest !== undefined) this.#suspicions.delete(oldest);
    }
    return found.replicas.size >= 2;
  }

  clear(print: string): void {
    this.#suspicions.delete(print);
  }

  /** May this suspect run now? Then it must be told to `leave`. */
  enter(endpointId: string, print: string): boolean {
    const running = this.#running.get(endpointId);
    if (running !== undefined && running !== print) return false;
    this.#running.set(endpointId, print);
    return true;
  }

  leave(endpointId: string, print: string): void {
    if (this.#running.get(endpointId) === print) this.#running.delete(endpointId);
  }
}

export function fingerprint(tenantId: string, path: string, bytes: Buffer): string {
  return createHash('sha256').update(`${tenantId}\n${path}\n`).update(bytes).digest('base64');
}
