/**
 * Watching one resource: what `get` shows now, again after every change of it or of what it counts, and `end`
 * when it is gone. Who comes back after a break simply gets the present state first.
 */
import { GantryError } from '@gantry/contract';
import type { Handlers, RequestContext, StreamItem } from '../http/index.ts';
import type { Platform } from '../platform.ts';

type WatchRoutes = Pick<Handlers, 'queues.watch' | 'nodes.watch' | 'models.watch' | 'endpoints.watch'>;
type Gets = Pick<Handlers, 'queues.get' | 'nodes.get' | 'models.get' | 'endpoints.get'>;

interface Named {
  readonly params: { readonly name: string };
}

export function watchRoutes({ hub }: Platform, gets: Gets): WatchRoutes {
  const watching = (
    event: string,
    topicsOf: (tenantId: string) => readonly string[],
    get: (context: RequestContext, name: string) => Promise<{ id: string; version: number }>,
  ) =>
    async function* (context: RequestContext, { params }: Named): AsyncIterable<StreamItem> {
      const { principal, signal } = context;
      let shown = '';
      let id: string | undefined;
      while (!signal.aborted) {
        // Subscribed before looking, so that nothing between the two is missed.
        const round = new AbortController();
        const ending = AbortSignal.any([signal, round.signal]);
        const changed = Promise.race(topicsOf(principal.tenantId).map((topic) => hub.next(topic, ending)));
        try {
          const now = await look(get(context, id ?? params.name), id !== undefined);
          if (now === undefined) {
            yield { event: 'end', data: {} };
            return;
          }
          id = now.id;
          const json = JSON.stringify(now);
          if (json !== shown) yield { event, id: String(now.version), data: now };
          shown = json;
          await changed;
        } finally {
          round.abort();
        }
      }
    };
  return {
    'queues.watch': watching('queue', among('queue', 'job', 'replica'), (context, name) =>
      gets['queues.get'](context, { params: { name }, query: undefined, body: undefined }),
    ),
    'nodes.watch': watching(
      'node',
      () => ['kind:node', 'kind:job', 'kind:replica'],
      (context, name) => gets['nodes.get'](context, { params: { name }, query: undefined, body: undefined }),
    ),
    'models.watch': watching('model', among('model'), (context, name) =>
      gets['models.get'](context, { params: { name }, query: undefined, body: undefined }),
    ),
    'endpoints.watch': watching('endpoint', among('endpoint', 'replica'), (context, name) =>
      gets['endpoints.get'](context, { params: { name }, query: undefined, body: undefined }),
    ),
  };
}

const among =
  (...kinds: readonly string[]) =>
  (tenantId: string): readonly string[] =>
    kinds.map((kind) => `${kind}@${tenantId}`);

/** Undefined when something seen before is gone; what never was is an ordinary refusal. */
async function look<T>(asked: Promise<T>, wasSeen: boolean): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (wasSeen && error instanceof GantryError && error.code === 'not_found') return undefined;
    throw error;
  }
}
