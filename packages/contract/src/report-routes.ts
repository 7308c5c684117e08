/** What was used and what happened; part of the one table in routes.ts. */
import { z } from 'zod';
import { pageOf, pageQuery } from './common.ts';
import { eventSchema, usageBy, usageRowSchema } from './resources.ts';
import { type RouteDefinition, route } from './route.ts';

export const reportRoutes = {
  'usage.report': route({
    method: 'GET',
    path: '/api/v1/usage',
    summary: 'What was used and what it costs',
    permission: 'read',
    errors: [],
    query: z.object({
      by: z.enum(usageBy).default('job'),
      from: z.iso.datetime().optional(),
      to: z.iso.datetime().optional(),
    }),
    response: z.object({ items: z.array(usageRowSchema) }),
  }),
  'events.list': route({
    method: 'GET',
    path: '/api/v1/events',
    summary: 'Audit events of the tenant, newest first',
    permission: 'read',
    errors: [],
    query: pageQuery,
    response: pageOf(eventSchema),
  }),
  'events.watch': route({
    method: 'GET',
    path: '/api/v1/events/watch',
    summary: 'The feed of changes; Last-Event-ID resumes',
    permission: 'read',
    errors: [],
    query: z.object({ since: z.coerce.number().int().min(0).optional() }),
    stream: 'events',
  }),
} as const satisfies Record<string, RouteDefinition>;
