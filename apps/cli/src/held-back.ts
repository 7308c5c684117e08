import type { Client } from '@gantry/sdk';

/** Why a version may not take the traffic of others yet, as its gate says; undefined where it may. */
export async function heldBack(client: Client, reference: string): Promise<string | undefined> {
  const [name = '', number] = reference.split('@');
  const { items } = await client.call('models.versions', { params: { name }, query: { limit: 100 } });
  const gate = items.find((each) => String(each.number) === number)?.gate;
  if (gate === undefined || gate.state === 'open' || gate.state === 'passed') return undefined;
  return gate.why.join('; ');
}
