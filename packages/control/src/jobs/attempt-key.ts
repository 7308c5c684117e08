/**
 * What a rank of ours shows the gateway where its work asks endpoints: nothing is stored for it, it asks in the name of
 * the job's user, and it holds no longer than the attempt. The management API does not know it.
 */
import { dirname } from 'node:path';
import type { Row } from '@gantry/ports';
import { isSame } from '../access/secrets.ts';
import type { Deps } from '../deps.ts';
import type { Vault } from '../secrets/vault.ts';
import {
  type AttemptRecord,
  type JobSpecRecord,
  type JobStatusRecord,
  currentAttempt,
} from './job-record.ts';

const prefix = 'ga.';

function attemptKey(vault: Vault, jobId: string, attemptId: string): string {
  return `${prefix}${jobId}.${attemptId}.${vault.tokenFor(`gateway ${jobId} ${attemptId}`)}`;
}

/** What work that asks endpoints is given to do so; undefined for all other. */
export function gatewayAccess(
  { places, vault }: Pick<Deps, 'places' | 'vault'>,
  { id, spec }: Row,
  attempt: AttemptRecord,
): { readonly needs: readonly string[]; readonly secretEnv: Readonly<Record<string, string>> } | undefined {
  if ((spec as JobSpecRecord).job.evaluate?.through === undefined) return undefined;
  const socket = places.gatewaySocket();
  return {
    // The folder: a restarted server makes another socket in it.
    needs: [dirname(socket)],
    secretEnv: {
      GANTRY_GATEWAY_SOCKET: socket,
      GANTRY_GATEWAY_KEY: attemptKey(vault, id, attempt.id),
    },
  };
}

interface AttemptKeyHolder {
  readonly tenantId: string;
  readonly userName: string;
}

/** Undefined for what is no such key, or one of an attempt that is over. */
export async function holderOfAttemptKey(
  { store, vault }: Pick<Deps, 'store' | 'vault'>,
  text: string,
): Promise<AttemptKeyHolder | undefined> {
  if (!text.startsWith(prefix)) return undefined;
  const [jobId = '', attemptId = ''] = text.slice(prefix.length).split('.');
  if (!isSame(text, attemptKey(vault, jobId, attemptId))) return undefined;
  const job = await store.read({ platform: true }, (tx) => tx.get('job', jobId));
  if (job === undefined || currentAttempt(job.status as JobStatusRecord)?.id !== attemptId) return undefined;
  return { tenantId: job.tenantId, userName: (job.spec as JobSpecRecord).user };
}
