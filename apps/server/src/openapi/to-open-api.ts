/** The route table → OpenAPI 3.1. Everything in it is derived; `openapi.json` at the root is its committed copy. */
import { type RouteDefinition, declaredErrors, errorCodes, routes } from '@gantry/contract';
import { gantryVersion } from '@gantry/kit';
import { z } from 'zod';

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> => {
  const { $schema: _schema, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    target: 'draft-2020-12',
  }) as Record<string, unknown>;
  return rest;
};

export function toOpenApi(): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries(routes) as [string, RouteDefinition][]) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    const operation = {
      operationId: name,
      summary: route.summary,
      tags: [name.split('.')[0]],
      'x-permission': route.permission,
      ...(route.permission === 'public' ? { security: [] } : {}),
      parameters: [
        ...[...route.path.matchAll(/:(\w+)/g)].map(([, parameter]) => ({
          name: parameter,
          in: 'path',
          required: true,
          schema: { type: 'string' },
        })),
        ...(route.query === undefined ? [] : queryParameters(route.query)),
        ...headerParameters(route),
      ],
      ...(route.takesBytes === true
        ? { requestBody: { required: true, content: { 'application/octet-stream': {} } } }
        : {}),
      ...(route.body === undefined
        ? {}
        : {
            requestBody: {
              required: true,
              content: { 'application/json': { schema: schemaOf(route.body, 'input') } },
            },
          }),
      responses: {
        [String(route.successStatus ?? 200)]: success(route),
        default: { $ref: '#/components/responses/Error' },
      },
      'x-errors': declaredErrors(route),
    };
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gantry',
      version: gantryVersion,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      responses: {
        Error: {
          description: 'What went wrong: a code to switch on, a sentence, a hint.',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['error'],
                properties: {
                  error: {
                    type: 'object',
                    required: ['code', 'message', 'requestId'],
                    properties: {
                      code: { enum: Object.keys(errorCodes) },
                      message: { type: 'string' },
                      hint: { type: 'string' },
                      problems: { type: 'array', items: { type: 'object' } },
                      requestId: { type: 'string' },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  };
}

function headerParameters(route: RouteDefinition): readonly Record<string, unknown>[] {
  const header = (name: string, maxLength: number): Record<string, unknown> => ({
    name,
    in: 'header',
    required: false,
    schema: { type: 'string', maxLength },
  });
  return [
    ...(route.idempotent === true ? [header('Idempotency-Key', 200)] : []),
    ...(route.conditional === true ? [header('If-Match', 80)] : []),
    ...(route.method === 'GET' && route.stream === undefined ? [header('If-None-Match', 1_000)] : []),
  ];
}

function success(route: RouteDefinition): Record<string, unknown> {
  if (route.stream === 'events')
    return { description: 'Server-sent events', content: { 'text/event-stream': {} } };
  if (route.stream === 'bytes')
    return { description: 'The bytes', content: { 'application/octet-stream': {} } };
  if (route.stream === 'log') return { description: 'The log', content: { 'text/plain': {} } };
  return {
    description: 'OK',
    content: {
      'application/json': { schema: route.response === undefined ? {} : schemaOf(route.response, 'output') },
    },
  };
}

function queryParameters(query: z.ZodType): readonly Record<string, unknown>[] {
  const { properties = {}, required = [] } = schemaOf(query, 'input') as {
    properties?: Record<string, unknown>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}
