/** An endpoint in words. */
import type { Endpoint } from '@gantry/contract';
import { coloured, table } from '../output.ts';

export const readyOf = ({ replicas, desiredReplicas }: Endpoint): string =>
  `${replicas.filter(({ state }) => state === 'ready').length} / ${desiredReplicas}`;

export function describeEndpoint(endpoint: Endpoint): string {
  const head = `  ${endpoint.name}   ${coloured(endpoint.state)}   ${endpoint.model}   ${readyOf(endpoint)} ready`;
  if (endpoint.replicas.length === 0) return head;
  return [
    head,
    '',
    table(
      ['replica', 'revision', 'state', 'restarts', ''],
      endpoint.replicas.map((each) => [
        each.id,
        each.revision,
        coloured(each.state),
        String(each.restarts),
        each.message ?? each.waiting?.[0]?.message ?? '',
      ]),
    ),
  ].join('\n');
}
