/** The gate of a model, at the moment one of its versions is to take traffic or a name that people trust. */
import { GantryError, type GateVerdict } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { ModelStatusRecord, ModelVersionRecord, ModelVersionStatusRecord } from './model-record.ts';
import { gateVerdict } from './promotion-gate.ts';

export interface GatePass {
  /** Why it may go through all the same. */
  readonly override?: string | undefined;
  /** Whether whoever asks may say so. */
  readonly mayOverride: boolean;
  /** Why it would answer who did not ask for it, where that does not go without saying. */
  readonly because?: string | undefined;
}

/** What the event of the change must tell: nothing, or what was overridden and why. */
export type GateNote = {
  readonly gateOverridden?: { readonly because: string; readonly failures: string[] };
};

/** What its gate says of a version now. */
async function verdictNow(tx: Tx, version: Row): Promise<GateVerdict> {
  const model = version.parentId === undefined ? undefined : await tx.get('model', version.parentId);
  const { gate } = (model?.status ?? {}) as Partial<ModelStatusRecord>;
  return gateVerdict(gate, version.spec as ModelVersionRecord, version.status as ModelVersionStatusRecord);
}

const letsThrough = ({ state }: GateVerdict): boolean => state === 'open' || state === 'passed';

/** Why nothing may promote the version by itself; empty when its gate lets it through. */
export async function heldBackBy(tx: Tx, versionId: string): Promise<readonly string[]> {
  const version = await tx.get('model-version', versionId);
  if (version === undefined) return ['the version is gone'];
  const verdict = await verdictNow(tx, version);
  return letsThrough(verdict) ? [] : verdict.why;
}

export async function passGate(
  tx: Tx,
  version: Row,
  { override, mayOverride, because }: GatePass,
): Promise<GateNote> {
  const verdict = await verdictNow(tx, version);
  const { state, why } = verdict;
  if (letsThrough(verdict)) return {};
  if (override === undefined)
    throw new GantryError(
      'gate_not_passed',
      `${version.name} may not take traffic${because === undefined ? '' : ` (${because})`}: ${why.join('; ')}`,
      {
        hint: `measure it: gantry model evaluate ${version.name} --data held-out.txt; an admin may pass it: --override REASON`,
        details: { version: version.name, gate: state, failures: why },
      },
    );
  if (!mayOverride)
    throw new GantryError(
      'forbidden',
      'passing a version that its gate holds back needs the right to admin',
      {
        hint: `it is held back because ${why.join('; ')}`,
      },
    );
  return { gateOverridden: { because: override, failures: why } };
}
