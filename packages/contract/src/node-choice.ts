/** Which machines work may run on, in the words of Kubernetes. */
import { z } from 'zod';

const labelKey = z
  .string()
  .max(200)
  .regex(
    /^([a-z0-9.-]+\/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/,
    'is no key of a label, like pool or example.org/pool',
  );
const labelValue = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9_.-]*$/, 'is no value of a label: letters, digits, dots and dashes, at most 63');

/** Labels that a machine must carry. */
export const nodeSelectorSchema = z.record(labelKey, labelValue);

/** Keeps work away that does not tolerate it. */
export const taintSchema = z.strictObject({
  key: labelKey,
  value: labelValue.optional(),
  /** NoExecute also moves away what runs already. */
  effect: z.enum(['NoSchedule', 'NoExecute']).default('NoSchedule'),
});

/** Without a value any value of the key is tolerated. */
export const tolerationSchema = z.strictObject({ key: labelKey, value: labelValue.optional() });

/** What an operator says of a machine; what inventory sees of it is not touched. */
export const nodeUpdate = z.strictObject({
  /** Set, or with null taken off again; others stay. */
  labels: z.record(labelKey, labelValue.nullable()).default({}),
  /** All of them; absent: as they are. */
  taints: z.array(taintSchema).max(50).optional(),
});
export type NodeUpdate = z.input<typeof nodeUpdate>;
