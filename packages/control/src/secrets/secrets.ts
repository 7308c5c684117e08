/** A tenant's secrets: rows whose spec is sealed. Nobody reads a value back; only workers are given them. */
import { GantryError, type JobSpec } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { Caller } from '../caller.ts';
import type { Deps } from '../deps.ts';
import { findOr404 } from '../find.ts';
import { secretUses } from './secret-use.ts';

interface SecretSpecRecord {
  readonly sealed: string;
}

type Who = Pick<Caller, 'tenantId' | 'userName'>;

export async function setSecret(
  deps: Deps,
  who: Who,
  name: string,
  value: string,
  requestId: string,
): Promise<Row> {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
    throw new GantryError('validation_failed', `"${name}" is no name of a secret`, {
      hint: '1–63 lower-case letters, digits or dashes; it becomes the variable in upper case',
    });
  const spec: SecretSpecRecord = { sealed: deps.vault.seal({ tenantId: who.tenantId, name }, value) };
  return deps.store.tx({ tenantId: who.tenantId }, async (tx) => {
    const known = await tx.byName('secret', who.tenantId, name);
    const row =
      known === undefined
        ? await tx.insert({
            kind: 'secret',
            id: createId('sec', deps.clock.nowMs()),
            tenantId: who.tenantId,
            name,
            state: 'active',
            spec,
            status: {},
          })
        : await tx.update('secret', known.id, { expectedVersion: known.version, spec });
    await note(tx, who, row, 'secret.set', requestId);
    return row;
  });
}

export async function deleteSecret(deps: Deps, who: Who, name: string, requestId: string): Promise<void> {
  await deps.store.tx({ tenantId: who.tenantId }, async (tx) => {
    const row = await findOr404(tx, 'secret', who.tenantId, name);
    await tx.softDelete('secret', row.id);
    await note(tx, who, row, 'secret.deleted', requestId);
  });
}

const note = (tx: Tx, who: Who, row: Row, type: string, requestId: string): Promise<void> =>
  tx.event({
    tenantId: row.tenantId,
    kind: 'secret',
    resourceId: row.id,
    type,
    actor: who.userName,
    reason: { name: row.name },
    requestId,
  });

/** The values a job's workers get, by variable. Throws `data_missing` when one was deleted meanwhile. */
export async function openSecrets(
  deps: Deps,
  tenantId: string,
  spec: Pick<JobSpec, 'secrets'>,
): Promise<Readonly<Record<string, string>>> {
  const uses = secretUses(spec);
  if (uses.length === 0) return {};
  return deps.store.read({ tenantId }, async (tx) => {
    const values: Record<string, string> = {};
    for (const { name, env } of uses) {
      const row = await tx.byName('secret', tenantId, name);
      if (row === undefined)
        throw new GantryError('data_missing', `the secret "${name}" is gone`, {
          hint: `set it again: gantry secret set ${name}`,
        });
      values[env] = deps.vault.open({ tenantId, name }, (row.spec as SecretSpecRecord).sealed);
    }
    return values;
  });
}

/** One secret's value; undefined where it does not exist any more. */
export async function openSecret(deps: Deps, tenantId: string, name: string): Promise<string | undefined> {
  const row = await deps.store.read({ tenantId }, (tx) => tx.byName('secret', tenantId, name));
  return row && deps.vault.open({ tenantId, name }, (row.spec as SecretSpecRecord).sealed);
}

/** What must not be seen in a job's output: the values its secrets have now, as far as they still exist. */
export async function secretValues(
  deps: Deps,
  tenantId: string,
  spec: Pick<JobSpec, 'secrets'>,
): Promise<readonly string[]> {
  const uses = secretUses(spec);
  if (uses.length === 0) return [];
  return deps.store.read({ tenantId }, async (tx) => {
    const values: string[] = [];
    for (const { name } of uses) {
      const row = await tx.byName('secret', tenantId, name);
      if (row !== undefined)
        values.push(deps.vault.open({ tenantId, name }, (row.spec as SecretSpecRecord).sealed));
    }
    return values;
  });
}
