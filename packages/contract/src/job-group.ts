/** One kind of ranks of a job, like the learner and the actors of a reinforcement learner. */
import { z } from 'zod';
import { nameSchema } from './common.ts';
import { resourcesSchema } from './job-resources.ts';

export const commandSchema = z.union([
  z.string().min(1).max(65_536),
  z.array(z.string().max(65_536)).min(1).max(1000),
]);

export const jobGroupSchema = z.strictObject({
  name: nameSchema,
  replicas: z.number().int().min(1).max(100_000).default(1),
  /** Those of the job unless given. */
  resources: resourcesSchema.optional(),
  /** That of the job unless given. */
  command: commandSchema.optional(),
});

/** Sentences about groups that contradict each other. */
export function twinGroups(groups: readonly { readonly name: string }[]): string | undefined {
  const names = groups.map(({ name }) => name);
  const twin = names.find((name, at) => names.indexOf(name) !== at);
  return twin === undefined ? undefined : `two groups are called "${twin}"`;
}
