/** An endpoint in words. */
import type { Endpoint } from '@gantry/contract';
import { coloured, table } from '../output.ts';

export const readyOf = ({ replicas, desiredReplicas, remote }: Endpoint): string => {
  if (remote !== undefined)
    return `${remote.servers.filter(({ state }) => state === 'ready').length} / ${remote.servers.length}`;
  return `${replicas.filter(({ state }) => state === 'ready').length} / ${desiredReplicas}`;
};

export function describeEndpoint(endpoint: Endpoint): string {
  const head = `  ${endpoint.name}   ${coloured(endpoint.state)}   ${endpoint.model}   ${readyOf(endpoint)} ready`;
  if (endpoint.remote !== undefined) {
    const rows = endpoint.remote.servers.map((each) => [
      each.url,
      coloured(each.state),
      each.slots === undefined ? '' : `${each.slots} at once`,
      each.contextTokens === undefined ? '' : `${each.contextTokens} tokens`,
      each.message ?? '',
    ]);
    return [head, '', table(['server', 'state', 'takes', 'context', ''], rows)].join('\n');
  }
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
