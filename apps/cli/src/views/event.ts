/** An event in words: when, what it happened to, what changed, who did it, and why. */
import type { Event } from '@gantry/contract';
import { formatBytes, formatDuration } from '@gantry/kit';
import { table } from '../output.ts';
import type { NameOf } from '../resource-names.ts';

export function eventTable(events: readonly Event[], nameOf: NameOf): string {
  if (events.length === 0) return '  nothing happened yet';
  return table(
    ['at', 'of', 'what', 'change', 'by', ''],
    events.map((event) => eventRow(event, nameOf)),
  );
}

export function eventRow(event: Event, nameOf: NameOf): readonly string[] {
  return [
    event.at.slice(0, 19).replace('T', ' '),
    nameOf(event.resourceId),
    event.type,
    event.to === undefined ? '' : `${event.from === undefined ? '' : `${event.from} → `}${event.to}`,
    event.actor,
    reasonText(event.reason, nameOf),
  ];
}

/** Sentences as they are; facts as `name value`, without the ids that only programs want. */
function reasonText(reason: Event['reason'], nameOf: NameOf): string {
  const { message, exitClass, reasons, ...facts } = reason ?? {};
  return [
    ...(typeof message === 'string' ? [message] : []),
    ...(typeof exitClass === 'string' && exitClass !== 'done' ? [exitClass] : []),
    ...(Array.isArray(reasons) ? [reasons.join('; ')] : []),
    ...Object.entries(facts).flatMap(([key, value]) => {
      const text = factText(key, value, nameOf);
      return text === undefined ? [] : [text];
    }),
  ].join(', ');
}

function factText(key: string, value: unknown, nameOf: NameOf): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) {
    if (value.length === 0) return undefined;
    const isPlain = value.every((each) => typeof each === 'string');
    return `${key} ${value.map((each) => valueText(each, nameOf)).join(isPlain ? ' ' : '; ')}`;
  }
  if (typeof value === 'number' && /bytes$/i.test(key)) return formatBytes(value);
  if (typeof value === 'number' && key.endsWith('Ms')) return `${key.slice(0, -2)} ${formatDuration(value)}`;
  const text = valueText(value, nameOf);
  return text === value && /^[a-z]{3}_[0-9a-z]{26}$/.test(text) ? undefined : `${key} ${text}`;
}

/** Evidence of a decision, phases of a start: facts within a fact. */
function valueText(value: unknown, nameOf: NameOf): string {
  if (typeof value === 'string') return nameOf(value);
  if (typeof value === 'number')
    return String(Number.isInteger(value) ? value : Number(value.toPrecision(3)));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  return Object.entries(value)
    .flatMap(([key, each]) => factText(key, each, nameOf) ?? [])
    .join(' ');
}
