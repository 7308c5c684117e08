/** Jobs from submission to deletion; part of the one table in routes.ts. */
import { z } from 'zod';
import { pageOf, pageQuery } from './common.ts';
import { jobSchema, jobStates } from './job.ts';
import { jobSpecSchema } from './job-spec.ts';
import { logBeginning } from './log-beginning.ts';
import { eventSchema } from './resources.ts';
import { type RouteDefinition, created, named, ok, route } from './route.ts';

export const jobRoutes = {
  'jobs.submit': route({
    method: 'POST',
    path: '/api/v1/jobs',
    summary: 'Submit a job',
    permission: 'write',
    errors: [...created, 'unsatisfiable_request', 'data_missing', 'not_found', 'forbidden'],
    body: jobSpecSchema,
    response: jobSchema,
    idempotent: true,
    successStatus: 201,
  }),
  'jobs.list': route({
    method: 'GET',
    path: '/api/v1/jobs',
    summary: 'Jobs, newest first',
    permission: 'read',
    errors: ['not_found'],
    query: pageQuery.extend({ state: z.enum(jobStates).optional(), queue: z.string().optional() }),
    response: pageOf(jobSchema),
  }),
  'jobs.get': route({
    method: 'GET',
    path: '/api/v1/jobs/:name',
    summary: 'One job by name or id',
    permission: 'read',
    errors: named,
    response: jobSchema,
  }),
  'jobs.cancel': route({
    method: 'POST',
    path: '/api/v1/jobs/:name/cancel',
    summary: 'Stop a job: SIGTERM, deadline, SIGKILL',
    permission: 'write',
    errors: ['not_found', 'invalid_transition'],
    response: jobSchema,
  }),
  'jobs.suspend': route({
    method: 'POST',
    path: '/api/v1/jobs/:name/suspend',
    summary: 'Let a job rest: it saves a checkpoint, gives its machines back and keeps its files',
    permission: 'write',
    errors: ['not_found', 'invalid_transition'],
    response: jobSchema,
  }),
  'jobs.resume': route({
    method: 'POST',
    path: '/api/v1/jobs/:name/resume',
    summary: 'Queue a suspended job again; it goes on from its newest checkpoint',
    permission: 'write',
    errors: ['not_found', 'invalid_transition'],
    response: jobSchema,
  }),
  'jobs.retry': route({
    method: 'POST',
    path: '/api/v1/jobs/:name/retry',
    summary: 'Queue an ended job again',
    permission: 'write',
    errors: ['not_found', 'invalid_transition'],
    response: jobSchema,
  }),
  'jobs.delete': route({
    method: 'DELETE',
    path: '/api/v1/jobs/:name',
    summary: 'Delete an ended job with its files',
    permission: 'write',
    errors: ['not_found', 'invalid_transition'],
    response: ok,
    conditional: true,
  }),
  'jobs.events': route({
    method: 'GET',
    path: '/api/v1/jobs/:name/events',
    summary: 'What happened to a job',
    permission: 'read',
    errors: named,
    query: pageQuery,
    response: pageOf(eventSchema),
  }),
  'jobs.logs': route({
    method: 'GET',
    path: '/api/v1/jobs/:name/logs',
    summary: 'Log of one rank; follow=true streams',
    permission: 'read',
    errors: named,
    query: z.object({
      rank: z.coerce.number().int().min(0).default(0),
      stream: z.enum(['stdout', 'stderr']).default('stdout'),
      ...logBeginning,
      limitBytes: z.coerce.number().int().min(1).optional(),
      follow: z.stringbool().default(false),
    }),
    stream: 'log',
  }),
  'jobs.watch': route({
    method: 'GET',
    path: '/api/v1/jobs/:name/watch',
    summary: 'The job now and after every change',
    permission: 'read',
    errors: named,
    stream: 'events',
  }),
} as const satisfies Record<string, RouteDefinition>;
