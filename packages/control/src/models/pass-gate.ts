/** The gate of a model, at the moment one of its versions is to take traffic or a name that people trust. */
import { GantryError } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { ModelStatusRecord, ModelVersionRecord, ModelVersionStatusRecord } from './model-record.ts';
import { gateVerdict } from './promotion-gate.ts';

export interface GatePass {
  /** Why it may go through all the same. */
  readonly override?: string | undefined;
  /** Whether whoever asks may say so. */
  readonly mayOverride: boolean;
}

/** What the event of the change must tell: nothing, or what was overridden and why. */
export type GateNote = {
  readonly gateOverridden?: { readonly because: string; readonly failures: string[] };
};

export async function passGate(tx: Tx, version: Row, { override, mayOverride }: GatePass): Promise<GateNote> {
  const model = version.parentId === undefined ? undefined : await tx.get('model', version.parentId);
  const spec = version.spec as ModelVersionRecord;
  const { gate } = (model?.status ?? {}) as Partial<ModelStatusRecord>;
  const { state, why } = gateVerdict(gate, spec, version.status as ModelVersionStatusRecord);
  if (state === 'open' || state === 'passed') return {};
  if (override === undefined)
    throw new GantryError('gate_not_passed', `${version.name} may not take traffic: ${why.join('; ')}`, {
      hint: `measure it: gantry model evaluate ${version.name} --data held-out.txt; an admin may pass it: --override REASON`,
      details: { version: version.name, gate: state, failures: why },
    });
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
