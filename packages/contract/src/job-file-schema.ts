/** The JSON schema of job files: what `jobSpecSchema` accepts, before its defaults are filled in. */
import { z } from 'zod';
import { jobSpecSchema } from './job.ts';

const description =
  'A Gantry job: what to run (`train` or `command`), what it needs, and what becomes of the result.';

export function jobFileSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(jobSpecSchema, { io: 'input', target: 'draft-7', unrepresentable: 'any' });
  return {
    ...schema,
    title: 'Gantry job file',
    description,
    // The refinement of the contract that JSON schema can say too.
    oneOf: [{ required: ['train'] }, { required: ['command'] }],
  };
}
