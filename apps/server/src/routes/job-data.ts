/** What goes into jobs and comes out of them as bytes. */
import { GantryError } from '@gantry/contract';
import { type JobStatusRecord, findOr404, storeUpload } from '@gantry/control';
import type { Handlers, StreamItem } from '../http/index.ts';
import type { Platform } from '../platform.ts';

export function jobDataRoutes({ deps }: Platform): Pick<Handlers, 'jobs.output' | 'uploads.create'> {
  return {
    'uploads.create': ({ principal, requestId }, { body }) => storeUpload(deps, principal, body, requestId),
    'jobs.output': async function* ({ principal }, { params, query }): AsyncIterable<StreamItem> {
      const row = await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        findOr404(tx, 'job', principal.tenantId, params.name),
      );
      const { outputs = [] } = row.status as JobStatusRecord;
      const file = outputs.find(({ path }) => path === query.path);
      if (file === undefined)
        throw new GantryError('not_found', `job "${row.name}" has no output "${query.path}"`, {
          hint: `list them: gantry job outputs ${row.name}`,
        });
      for await (const chunk of await deps.blobs.get(file.digest)) yield { chunk };
    },
  };
}
