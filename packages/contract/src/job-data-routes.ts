/** Operations on what goes into jobs and comes out; part of the one table in routes.ts. */
import { z } from 'zod';
import { pageOf, pageQuery } from './common.ts';
import { secretSchema, secretWrite, uploadSchema } from './job-data.ts';
import { type RouteDefinition, route } from './route.ts';

export const jobDataRoutes = {
  'jobs.output': route({
    method: 'GET',
    path: '/api/v1/jobs/:name/output',
    summary: 'The bytes of one output file of a job',
    permission: 'read',
    errors: ['not_found', 'validation_failed', 'blob_corrupt'],
    query: z.object({ path: z.string().min(1).max(4096) }),
    stream: 'bytes',
  }),
  'uploads.create': route({
    method: 'POST',
    path: '/api/v1/uploads',
    summary: 'Store a working directory, packed as tar, for a job to run in',
    permission: 'write',
    errors: ['data_invalid', 'body_too_large', 'disk_full', 'unsupported_media_type'],
    takesBytes: true,
    response: uploadSchema,
    successStatus: 201,
  }),
  'secrets.set': route({
    method: 'PUT',
    path: '/api/v1/secrets/:name',
    summary: 'Create a secret or give it another value; the value is never shown again',
    permission: 'write',
    errors: ['validation_failed', 'unknown_field'],
    body: secretWrite,
    response: secretSchema,
  }),
  'secrets.list': route({
    method: 'GET',
    path: '/api/v1/secrets',
    summary: 'Names of secrets, without values',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(secretSchema),
  }),
  'secrets.delete': route({
    method: 'DELETE',
    path: '/api/v1/secrets/:name',
    summary: 'Delete a secret',
    permission: 'write',
    errors: ['not_found'],
    response: z.object({ ok: z.literal(true) }),
  }),
} as const satisfies Record<string, RouteDefinition>;
