/**
 * A small Prometheus text writer (exposition format 0.0.4). Label values are bounded by the caller: an
 * unbounded label is a memory leak in every scraper.
 */
import type { HistogramCounts } from './histogram.ts';

export type Labels = Readonly<Record<string, string>>;

interface Described {
  readonly name: string;
  readonly help: string;
}

export type MetricFamily = Described &
  (
    | {
        readonly type: 'counter' | 'gauge';
        readonly samples: readonly { readonly labels?: Labels; readonly value: number }[];
      }
    | {
        readonly type: 'histogram';
        readonly samples: readonly { readonly labels?: Labels; readonly value: HistogramCounts }[];
      }
  );

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');

const numberText = (value: number): string =>
  value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value);

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${numberText(value)}`;
}

function histogramLines(
  name: string,
  labels: Labels,
  { counts, upperBounds, sum, count }: HistogramCounts,
): string[] {
  let seen = 0;
  const buckets = counts.map((inBucket, index) => {
    seen += inBucket;
    return line(`${name}_bucket`, { ...labels, le: numberText(upperBounds[index] ?? Infinity) }, seen);
  });
  return [...buckets, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, count)];
}

export function writeMetrics(families: readonly MetricFamily[]): string {
  const lines: string[] = [];
  for (const family of families) {
    const { name, help, type } = family;
    lines.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`);
    if (family.type === 'histogram')
      for (const { labels, value } of family.samples)
        lines.push(...histogramLines(name, labels ?? {}, value));
    else for (const { labels, value } of family.samples) lines.push(line(name, labels ?? {}, value));
  }
  return `${lines.join('\n')}\n`;
}
