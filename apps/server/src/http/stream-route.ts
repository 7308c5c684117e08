/** A route that streams: the reply is ours from its first byte, and the stream lasts as long as the key that opened it. */
import { GantryError, type Permission } from '@gantry/contract';
import type { HeldByKey } from '@gantry/gateway';
import type { FastifyReply } from 'fastify';
import { toErrorReply } from './error-reply.ts';
import { isAllowed } from './permission.ts';
import { type StreamReplyOptions, streamReply } from './stream-reply.ts';
import type { Principal, PublicContext, StreamItem } from './types.ts';

export interface StreamRoute {
  readonly kind: StreamReplyOptions['kind'];
  readonly permission: Permission;
  /** Where it is noted while it is open. */
  readonly held: Set<HeldByKey<Principal>>;
  /** Begins the stream. The signal ends it: the client left, the server stops, or the key works no more. */
  items(signal: AbortSignal): AsyncIterable<StreamItem>;
  noteError(error: unknown, requestId: string): void;
}

/** Nothing of the framework runs after it, so errors are answered here too. */
export async function streamRoute(
  reply: FastifyReply,
  context: PublicContext & { readonly principal?: Principal },
  route: StreamRoute,
): Promise<void> {
  reply.hijack();
  const { principal, requestId, log } = context;
  const headers = { 'x-request-id': requestId };
  const losingKey = new AbortController();
  const signal = AbortSignal.any([context.signal, losingKey.signal]);
  const held: HeldByKey<Principal> = {
    keyId: principal?.keyId,
    recheck: (key) => {
      if (key !== undefined && mayGoOn(principal, key, route.permission)) return;
      losingKey.abort(
        new GantryError('unauthenticated', 'the key that opened this stream works no more', {
          hint: 'ask an admin for a new one: gantry key create',
        }),
      );
    },
  };
  route.held.add(held);
  try {
    await streamReply(reply.raw, route.items(signal), { kind: route.kind, headers, signal, log });
  } catch (error) {
    route.noteError(error, requestId);
    const answer = toErrorReply(error, requestId);
    if (answer.isInternal) log.error({ error: String(error) }, 'a stream failed inside');
    reply.raw
      .writeHead(answer.status, { 'content-type': 'application/json; charset=utf-8', ...headers })
      .end(JSON.stringify(answer.body));
  } finally {
    route.held.delete(held);
  }
}

/** The route is still within the key's rights, and so is the tenant that an operator acts for. */
function mayGoOn(opened: Principal | undefined, now: Principal, permission: Permission): boolean {
  const isOwnTenant = opened?.tenantId === now.tenantId || now.role === 'operator';
  return isOwnTenant && isAllowed(permission, now.role, now.scopes);
}
