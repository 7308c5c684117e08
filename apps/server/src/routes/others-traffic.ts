/**
 * Requests that an endpoint answers though their clients asked for another: as its fallback, or under the name of one
 * that was deleted. A version that its gate holds back may have an endpoint of its own, but none of these.
 */
import { type EndpointSpecRecord, type GateNote, resolveVersion } from '@gantry/control';
import type { Row, Tx } from '@gantry/ports';
import type { Principal } from '../http/index.ts';
import { gateFor } from './served-version.ts';

interface Asked {
  readonly tx: Tx;
  readonly principal: Principal;
  /** An admin's reason to let a version through all the same. */
  readonly override: string | undefined;
}

/** Of the endpoint that `name` is to fall back to; one that does not exist yet is judged when it is made. */
export async function gateOfFallback(
  { tx, principal, override }: Asked,
  name: string,
  fallback: string | null | undefined,
): Promise<GateNote> {
  if (fallback === undefined || fallback === null || fallback === name) return {};
  const endpoint = await tx.byName('endpoint', principal.tenantId, fallback);
  const version = endpoint && (await versionOf(tx, endpoint));
  if (version === undefined) return {};
  return gateFor(tx, version, principal, override, `${name} falls back to ${fallback}`);
}

/** Of a version that is to answer under `name`, where others' clients would be answered by it. */
export async function gateUnderName(
  { tx, principal, override }: Asked,
  name: string,
  version: Row,
): Promise<GateNote> {
  const because =
    (await reliesOn(tx, principal.tenantId, name)) ?? (await isHeir(tx, principal.tenantId, name, version));
  return because === undefined ? {} : gateFor(tx, version, principal, override, because);
}

/** Of the version that an endpoint on which others fall back would go back to; a rollout's end changes nothing. */
export async function gateOfReturn(
  { tx, principal, override }: Asked,
  { name, spec }: Row,
): Promise<GateNote> {
  const { rollout, previous } = spec as EndpointSpecRecord;
  if (rollout !== undefined || previous === undefined) return {};
  const because = await reliesOn(tx, principal.tenantId, name);
  const version = because === undefined ? undefined : await tx.get('model-version', previous.modelVersionId);
  return version === undefined ? {} : gateFor(tx, version, principal, override, because);
}

/** Both, when one change needed both. */
export function joinNotes(...notes: readonly GateNote[]): GateNote {
  const overridden = notes.flatMap(({ gateOverridden }) => gateOverridden ?? []);
  const [first] = overridden;
  if (first === undefined) return {};
  return {
    gateOverridden: { because: first.because, failures: overridden.flatMap(({ failures }) => failures) },
  };
}

async function reliesOn(tx: Tx, tenantId: string, name: string): Promise<string | undefined> {
  let cursor: string | undefined;
  do {
    const page = await tx.list('endpoint', {
      tenantId,
      limit: 200,
      newestFirst: true,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const other = page.items.find(
      (row) => row.name !== name && (row.spec as EndpointSpecRecord).fallback === name,
    );
    if (other !== undefined) return `${other.name} falls back to ${name}`;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return undefined;
}

/** Whoever asks for a name that was given up goes on asking for it; the same version again surprises nobody. */
async function isHeir(tx: Tx, tenantId: string, name: string, version: Row): Promise<string | undefined> {
  const before = await tx.lastDeleted('endpoint', tenantId, name);
  if (before === undefined || (await versionOf(tx, before))?.id === version.id) return undefined;
  return `clients of the deleted endpoint ${name} ask for that name`;
}

/** What it serves, as far as is known: of connected servers only what an admin said. */
async function versionOf(tx: Tx, { spec, tenantId }: Row): Promise<Row | undefined> {
  const { remote, modelVersionId } = spec as EndpointSpecRecord;
  if (remote === undefined) return tx.get('model-version', modelVersionId);
  return remote.serves === undefined
    ? undefined
    : resolveVersion(tx, tenantId, remote.serves).catch(() => undefined);
}
