/**
 * A small Prometheus text writer (exposition format 0.0.4). Label values are bounded by the caller: an
 * unbounded label is a memory leak in every scraper.
 */
export type Labels = Readonly<Record<string, string>>;

export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly samples: readonly { readonly labels?: Labels; readonly value: number }[];
}

const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');

export function writeMetrics(families: readonly MetricFamily[]): string {
  const lines: string[] = [];
  for (const family of families) {
    lines.push(`# HELP ${family.name} ${family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
    lines.push(`# TYPE ${family.name} ${family.type}`);
    for (const { labels, value } of family.samples) {
      const pairs = Object.entries(labels ?? {}).map(([name, text]) => `${name}="${escapeLabel(text)}"`);
      lines.push(
        `${family.name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${Number.isNaN(value) ? 'NaN' : value}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
