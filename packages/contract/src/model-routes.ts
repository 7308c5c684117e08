/** Registered models; part of the one table in routes.ts. */
import { z } from 'zod';
import { pageOf, pageQuery } from './common.ts';
import { evaluationCreate, gateOverride, modelGate } from './model-gate.ts';
import { modelImport, modelSchema, modelVersionSchema } from './resources.ts';
import { type RouteDefinition, named, ok, route } from './route.ts';

export const modelRoutes = {
  'models.list': route({
    method: 'GET',
    path: '/api/v1/models',
    summary: 'Registered models',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(modelSchema),
  }),
  'models.get': route({
    method: 'GET',
    path: '/api/v1/models/:name',
    summary: 'One model',
    permission: 'read',
    errors: named,
    response: modelSchema,
  }),
  'models.import': route({
    method: 'POST',
    path: '/api/v1/models/import',
    summary: 'Register files of a directory as a version',
    permission: 'write',
    errors: ['validation_failed', 'data_missing', 'data_invalid', 'forbidden', 'disk_full'],
    body: modelImport,
    response: modelVersionSchema,
    successStatus: 201,
  }),
  'models.versions': route({
    method: 'GET',
    path: '/api/v1/models/:name/versions',
    summary: 'Versions, newest first',
    permission: 'read',
    errors: named,
    query: pageQuery,
    response: pageOf(modelVersionSchema),
  }),
  'models.alias': route({
    method: 'PUT',
    path: '/api/v1/models/:name/aliases/:alias',
    summary: 'Point an alias at a version',
    permission: 'write',
    errors: ['not_found', 'validation_failed', 'gate_not_passed'],
    query: gateOverride,
    body: z.strictObject({ version: z.number().int().positive() }),
    response: modelSchema,
    conditional: true,
  }),
  'models.gate': route({
    method: 'PUT',
    path: '/api/v1/models/:name/gate',
    summary: 'Say what a version must have shown before it may take traffic',
    permission: 'admin',
    errors: ['not_found', 'validation_failed'],
    body: modelGate,
    response: modelSchema,
    conditional: true,
  }),
  'models.evaluate': route({
    method: 'POST',
    path: '/api/v1/models/:name/versions/:number/evaluations',
    summary: 'Keep what an evaluation of a version measured',
    permission: 'write',
    errors: ['not_found', 'validation_failed'],
    body: evaluationCreate,
    response: modelVersionSchema,
    successStatus: 201,
  }),
  'models.delete': route({
    method: 'DELETE',
    path: '/api/v1/models/:name',
    summary: 'Delete a model that nothing serves',
    permission: 'write',
    errors: ['not_found', 'in_use'],
    response: ok,
    conditional: true,
  }),
} as const satisfies Record<string, RouteDefinition>;
