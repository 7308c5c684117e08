/** Names for ids: what people read instead of `nod_01m7…`. */
import type { Client } from '@gantry/sdk';

/** The name of an id; the id itself where no name is known. */
export type NameOf = (id: string) => string;

const most = 500;

export async function nodeNames(client: Client): Promise<NameOf> {
  return toNameOf([await named(() => client.call('nodes.list', { query: { limit: most } }))]);
}

/** Of everything that has a name and happens to be among the newest. */
export async function resourceNames(client: Client): Promise<NameOf> {
  const query = { limit: most };
  return toNameOf(
    await Promise.all([
      named(() => client.call('nodes.list', { query })),
      named(() => client.call('jobs.list', { query })),
      named(() => client.call('endpoints.list', { query })),
      named(() => client.call('models.list', { query })),
      named(() => client.call('queues.list', { query })),
      named(() => client.call('users.list', { query })),
    ]),
  );
}

interface Named {
  readonly id: string;
  readonly name: string;
}

/** Who may not list them reads ids: no reason to fail. */
async function named(list: () => Promise<{ items: readonly Named[] }>): Promise<readonly Named[]> {
  try {
    return (await list()).items;
  } catch {
    return [];
  }
}

function toNameOf(lists: readonly (readonly Named[])[]): NameOf {
  const names = new Map(lists.flat().map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? id;
}
