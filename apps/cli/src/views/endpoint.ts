/** An endpoint in words. */
import type { Endpoint } from '@gantry/contract';
import { countOf, formatDuration } from '@gantry/kit';
import { coloured, table } from '../output.ts';
import { ranImageText } from './ran-image.ts';

/** Of the version that serves; one that is being rolled out is told apart. */
export const readyOf = ({ replicas, desiredReplicas, remote, rollout }: Endpoint): string => {
  if (remote !== undefined)
    return `${remote.servers.filter(({ state }) => state === 'ready').length} / ${remote.servers.length}`;
  const ready = replicas.filter(({ state }) => state === 'ready');
  const rolled = ready.filter(({ revision }) => revision === rollout?.revision).length;
  const beside = rollout === undefined ? '' : ` + ${rolled}`;
  return `${ready.length - rolled} / ${desiredReplicas}${beside}`;
};

export function describeEndpoint(endpoint: Endpoint): string {
  const head = `  ${endpoint.name}   ${coloured(endpoint.state)}   ${endpoint.model}   ${readyOf(endpoint)} ready${endpoint.reason === undefined ? '' : `: ${endpoint.reason}`}`;
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
  const more = [rolloutOf(endpoint), settingsOf(endpoint), ...driftOf(endpoint)].filter(
    (line) => line !== '',
  );
  const top = [head, ...more.map((line) => `  ${line}`)].join('\n');
  if (endpoint.replicas.length === 0) return top;
  return [
    top,
    '',
    table(
      ['replica', 'revision', 'state', 'node', 'restarts', ''],
      endpoint.replicas.map((each) => [
        each.id,
        each.revision,
        coloured(each.state),
        nodesOf(each),
        String(each.restarts),
        saidOf(each),
      ]),
    ),
  ].join('\n');
}

/** Which other version has a part of the traffic; the evidence is told by `endpoint stats`. */
const rolloutOf = ({ name, rollout }: Endpoint): string =>
  rollout === undefined
    ? ''
    : `${rollout.mode} ${rollout.percent} % to ${rollout.model} (${rollout.revision})   verdict: ${rollout.verdict}   gantry endpoint stats ${name}`;

/** What of a revision's requests or answers is not what it was, by how much. */
const driftOf = ({ drift = [] }: Endpoint): string[] =>
  drift.map(
    ({ revision, findings }) =>
      `${revision} has drifted: ${findings.map(({ feature, size }) => `${feature} ${size.toPrecision(2)}`).join(', ')}`,
  );

/** Machines by name; those of a gang once each. */
const nodesOf = ({ node, nodeName, ranks = [] }: Endpoint['replicas'][number]): string => {
  const places = ranks.length === 0 && node !== undefined ? [{ node, nodeName }] : ranks;
  return [...new Set(places.map((place) => place.nodeName ?? place.node))].join(', ');
};

/** Why it waits, what ended the one before it, or how it started. */
function saidOf({ state, waiting, message, coldStart }: Endpoint['replicas'][number]): string {
  if (state !== 'ready') return waiting?.[0]?.message ?? message ?? '';
  if (coldStart === undefined) return '';
  const { scheduleMs, fetchMs, loadMs, warmMs } = coldStart;
  const phases = { placed: scheduleMs, fetched: fetchMs, loaded: loadMs, warm: warmMs };
  const told = Object.entries(phases).flatMap(([phase, ms]) =>
    ms === undefined ? [] : [`${phase} ${formatDuration(ms)}`],
  );
  return `started in ${formatDuration(scheduleMs + fetchMs + loadMs + (warmMs ?? 0))}: ${told.join(', ')}`;
}

/** What was chosen for it and is not the default. */
function settingsOf({
  replicas,
  network,
  engine,
  decoder,
  adapters,
  speculation,
  batching,
  warmUp,
  latencyObjectiveMs,
  fallback,
  nodeSelector = {},
}: Endpoint): string {
  const chosen: Readonly<Record<string, string | undefined>> = {
    // More than one while a tag moves: new replicas have what it names now.
    image: [...new Set(replicas.flatMap(({ image }) => ranImageText(image) ?? []))].join(', '),
    network,
    engine: engine === undefined ? undefined : engineText(engine),
    decoder,
    adapters: adapters?.join(', '),
    speculation,
    batching: batching === undefined ? undefined : batchingText(batching),
    'warm-up': warmUp
      ?.map(({ name, rows, count }) => name ?? `${count} × ${countOf(rows, 'row')}`)
      .join(', '),
    objective: latencyObjectiveMs === undefined ? undefined : `${latencyObjectiveMs} ms`,
    fallback,
    node: Object.entries(nodeSelector)
      .map(([key, value]) => `${key}=${value}`)
      .join(', '),
  };
  return Object.entries(chosen)
    .flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`${name}: ${value}`]))
    .join('   ');
}

const engineText = ({ kind, tensor, pipeline, ranks }: NonNullable<Endpoint['engine']>): string =>
  `${kind}, tensor ${tensor} × pipeline ${pipeline} in ${countOf(ranks, 'rank')}`;

const batchingText = (batching: object): string =>
  Object.entries(batching)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
