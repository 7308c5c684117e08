/** What a route may answer instead of its result: what its definition names, and what its shape brings along. */
import type { ErrorCode } from './errors.ts';
import type { RouteDefinition } from './route.ts';

/** May happen to any request. */
const anyRequest: readonly ErrorCode[] = [
  'bad_request',
  'limit_exceeded',
  'store_unavailable',
  'shutting_down',
  'internal',
];

export function declaredErrors(route: RouteDefinition): readonly ErrorCode[] {
  const brought: readonly (readonly [boolean, readonly ErrorCode[]])[] = [
    [route.permission !== 'public', ['unauthenticated', 'key_expired', 'forbidden']],
    [route.query !== undefined, ['validation_failed', 'unknown_field']],
    [
      route.body !== undefined,
      ['invalid_json', 'validation_failed', 'unknown_field', 'body_too_large', 'unsupported_media_type'],
    ],
    [route.conditional === true, ['version_conflict']],
    [route.idempotent === true, ['idempotency_mismatch']],
  ];
  const codes = brought.flatMap(([isSo, errors]) => (isSo ? errors : []));
  return [...new Set([...codes, ...route.errors, ...anyRequest])];
}
