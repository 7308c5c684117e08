import { basename } from 'node:path';
import { GantryError } from '@gantry/contract';
import {
  type EndpointSpecRecord,
  type ModelStatusRecord,
  allRows,
  checkVersion,
  findOr404,
  bookStoredBytes,
  registerVersion,
  resolveVersion,
  storeModelFiles,
} from '@gantry/control';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { modelFormats, toModel, toVersion } from './model-view.ts';
import { modelVersionRoutes, sourceLineage } from './model-versions.ts';
import { toPage, toPageRequest } from './page.ts';
import { gateFor } from './served-version.ts';

type ModelRoutes = Pick<Handlers, Exclude<Extract<keyof Handlers, `models.${string}`>, 'models.watch'>>;

export function modelRoutes(platform: Platform): ModelRoutes {
  const { deps } = platform;
  return {
    ...modelVersionRoutes(platform),
    'models.list': async ({ principal }, { query }) => {
      const page = await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        tx.list('model', {
          tenantId: principal.tenantId,
          ...toPageRequest(query),
          newestFirst: true,
        }),
      );
      return toPage(page, (row) => toModel(row, principal.tenantName));
    },
    'models.get': async ({ principal }, { params }) =>
      toModel(
        await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
          findOr404(tx, 'model', principal.tenantId, params.name),
        ),
        principal.tenantName,
      ),
    'models.versions': async ({ principal }, { params, query }) =>
      deps.store.read({ tenantId: principal.tenantId }, async (tx) => {
        const model = await findOr404(tx, 'model', principal.tenantId, params.name);
        const page = await tx.list('model-version', {
          parentId: model.id,
          ...toPageRequest(query),
          newestFirst: true,
        });
        return toPage(page, (row) => toVersion(row, model));
      }),
    'models.import': async ({ principal, requestId }, { body }) => {
      if (principal.role !== 'operator')
        throw new GantryError('forbidden', 'only an operator reads files of the server machine', {
          hint: 'register the output of a job instead: register: NAME',
        });
      const listed = await deps.places.filesOf(body.path);
      const found = [
        ...new Set(
          listed.flatMap(({ path }) =>
            modelFormats.flatMap(([pattern, format]) => (pattern.test(path) ? [format] : [])),
          ),
        ),
      ];
      if (found.length === 0)
        throw new GantryError('data_invalid', `${body.path} holds no safetensors, GGUF or ONNX file`, {
          hint: 'give one such file, or the folder it lies in; links are not followed',
        });
      const files = await storeModelFiles(deps, body.path);
      return deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const reference = await registerVersion(deps, tx, {
          tenantId: principal.tenantId,
          user: principal.userName,
          modelName: body.name,
          files,
          formats: found,
          metrics: {},
          requestId,
          lineage: {
            // Where it lay on the server's machine is nothing to who reads this.
            importedFrom: basename(body.path),
            importedBy: principal.userName,
            ...(body.source === undefined ? {} : await sourceLineage(tx, principal.tenantId, body.source)),
          },
        });
        return toVersion(
          await findOr404(tx, 'model-version', principal.tenantId, reference),
          await findOr404(tx, 'model', principal.tenantId, body.name),
        );
      });
    },
    'models.alias': async ({ principal, ifMatchVersion, requestId }, { params, query, body }) =>
      deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const model = await findOr404(tx, 'model', principal.tenantId, params.name);
        checkVersion(model, ifMatchVersion);
        const status = model.status as ModelStatusRecord;
        if (!/^[a-z][a-z0-9-]{0,62}$/.test(params.alias))
          throw new GantryError('validation_failed', `"${params.alias}" is no alias`, {
            hint: 'lower-case letters, digits and dashes',
          });
        if (body.version > status.latest)
          throw new GantryError('not_found', `model "${model.name}" has no version ${body.version}`);
        const version = await resolveVersion(tx, principal.tenantId, `${model.name}@${body.version}`);
        const note = await gateFor(tx, version, principal, query.override);
        const next = await tx.update('model', model.id, {
          expectedVersion: model.version,
          status: { ...status, aliases: { ...status.aliases, [params.alias]: body.version } },
        });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'model',
          resourceId: model.id,
          type: 'model.alias_set',
          actor: principal.userName,
          reason: { alias: params.alias, version: body.version, ...note },
          requestId,
        });
        return toModel(next, principal.tenantName);
      }),
    'models.delete': async ({ principal, ifMatchVersion, requestId }, { params }) => {
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const model = await findOr404(tx, 'model', principal.tenantId, params.name);
        checkVersion(model, ifMatchVersion);
        const endpoints = (await allRows(tx, 'endpoint')).filter(
          (row) => (row.spec as EndpointSpecRecord).model.split('@')[0] === model.name,
        );
        if (endpoints.length > 0)
          throw new GantryError(
            'in_use',
            `model "${model.name}" is served by ${endpoints.map(({ name }) => name).join(', ')}`,
            { hint: 'delete or roll the endpoint first' },
          );
        for (const version of await allRows(tx, 'model-version', undefined, model.id)) {
          await bookStoredBytes(tx, version, deps.clock.nowMs(), deps.prices);
          await tx.softDelete('model-version', version.id);
        }
        await tx.softDelete('model', model.id);
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'model',
          resourceId: model.id,
          type: 'model.deleted',
          actor: principal.userName,
          requestId,
        });
      });
      return { ok: true as const };
    },
  };
}
