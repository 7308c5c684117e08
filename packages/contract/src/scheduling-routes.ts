/** Operations on how work is scheduled; part of the one table in routes.ts. */
import { pageOf, pageQuery } from './common.ts';
import { type RouteDefinition, route } from './route.ts';
import {
  decisionRecordSchema,
  decisionSchema,
  queuePolicySchema,
  queuePolicyWrite,
  schedulingPolicySchema,
  schedulingPolicyWrite,
  schedulingTrialSchema,
  schedulingTrialWrite,
} from './scheduling.ts';

export const schedulingRoutes = {
  'scheduling.get': route({
    method: 'GET',
    path: '/api/v1/scheduling/policy',
    summary: 'How the platform orders and places work',
    permission: 'read',
    errors: [],
    response: schedulingPolicySchema,
  }),
  'scheduling.set': route({
    method: 'PUT',
    path: '/api/v1/scheduling/policy',
    summary: 'Change how the platform orders and places work; holds from the next cycle on',
    permission: 'operator',
    errors: ['validation_failed', 'unknown_field'],
    body: schedulingPolicyWrite,
    response: schedulingPolicySchema,
    conditional: true,
  }),
  'scheduling.trial': route({
    method: 'POST',
    path: '/api/v1/scheduling/trial',
    summary:
      'The cluster and its recent work as the planner would see them under a policy that is only tried',
    permission: 'operator',
    errors: ['validation_failed', 'unknown_field'],
    body: schedulingTrialWrite,
    response: schedulingTrialSchema,
  }),
  'scheduling.queue': route({
    method: 'GET',
    path: '/api/v1/scheduling/queues/:name',
    summary: 'How one queue is ordered and where its work runs',
    permission: 'read',
    errors: ['not_found'],
    response: queuePolicySchema,
  }),
  'scheduling.setQueue': route({
    method: 'PATCH',
    path: '/api/v1/scheduling/queues/:name',
    summary: 'Change how one queue is ordered or where its work runs; null takes a choice back',
    permission: 'admin',
    errors: ['not_found', 'validation_failed', 'unknown_field'],
    body: queuePolicyWrite,
    response: queuePolicySchema,
    conditional: true,
  }),
  'decisions.list': route({
    method: 'GET',
    path: '/api/v1/scheduling/decisions',
    summary: 'The last scheduling cycles, newest first',
    permission: 'operator',
    errors: [],
    query: pageQuery,
    response: pageOf(decisionSchema),
  }),
  'decisions.get': route({
    method: 'GET',
    path: '/api/v1/scheduling/decisions/:name',
    summary: 'One scheduling cycle with what it saw and decided, to be planned again',
    permission: 'operator',
    errors: ['not_found'],
    response: decisionRecordSchema,
  }),
} as const satisfies Record<string, RouteDefinition>;
