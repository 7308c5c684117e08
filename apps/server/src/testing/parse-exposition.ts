/**
 * A strict reader of the Prometheus text format 0.0.4: what a scraper would only tolerate is an error here.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ExposedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ExposedSample[];
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(,|$)/y;
const suffixes = { histogram: ['_bucket', '_sum', '_count'], counter: [''], gauge: [''] } as const;

export function parseExposition(text: string): ReadonlyMap<string, ExposedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, ExposedFamily & { samples: ExposedSample[] }>();
  let current: (ExposedFamily & { samples: ExposedSample[] }) | undefined;
  let help: { name: string; text: string } | undefined;
  const seen = new Set<string>();
  for (const line of text.slice(0, -1).split('\n')) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (!metricName.test(name) || families.has(name)) fail('a name that is none, or twice');
      help = { name, text: rest };
    } else if (kind === 'TYPE') {
      if (help?.name !== name) fail('TYPE without its HELP');
      if (!(rest in suffixes)) fail('no such type');
      if (rest === 'counter' && !name.endsWith('_total')) fail('a counter is called …_total');
      current = { name, help: help?.text ?? '', type: rest, samples: [] };
      families.set(name, current);
    } else {
      const [, sampled = '', labelText, valueText = ''] = sampleLine.exec(line) ?? fail('no sample');
      const family = current ?? fail('a sample without a family');
      const endings = suffixes[family.type as keyof typeof suffixes];
      if (!endings.some((ending) => sampled === family.name + ending)) fail('a sample of another family');
      const labels = parseLabels(labelText, fail);
      const series = `${sampled}${keyOf(labels)}`;
      if (seen.has(series)) fail('the same series twice');
      seen.add(series);
      const value = valueText === '+Inf' ? Infinity : valueText === '-Inf' ? -Infinity : Number(valueText);
      if (Number.isNaN(value) && valueText !== 'NaN') fail('no number');
      if (family.type === 'counter' && !(value >= 0)) fail('a counter below zero');
      family.samples.push({ name: sampled, labels, value });
    }
  }
  for (const family of families.values()) if (family.type === 'histogram') checkBuckets(family);
  return families;
}

const keyOf = (labels: Readonly<Record<string, string>>): string =>
  JSON.stringify(
    labels,
    Object.keys(labels).sort((one, other) => one.localeCompare(other)),
  );

function parseLabels(text: string | undefined, fail: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {};
  if (text === undefined) return labels;
  label.lastIndex = 0;
  while (label.lastIndex < text.length || label.lastIndex === 0) {
    const [, name = '', value = ''] = label.exec(text) ?? fail('labels that are none');
    if (name in labels) fail('a label twice');
    labels[name] = value.replaceAll(/\\([\\"n])/g, (_all, mark: string) => (mark === 'n' ? '\n' : mark));
  }
  return labels;
}

/** Buckets grow with `le`, and the last, +Inf, is the count. */
function checkBuckets({ name, samples }: ExposedFamily): void {
  const buckets = new Map<string, { le: number; value: number }[]>();
  for (const { name: sampled, labels, value } of samples) {
    if (!sampled.endsWith('_bucket')) continue;
    const { le = '', ...others } = labels;
    const key = keyOf(others);
    buckets.set(key, [...(buckets.get(key) ?? []), { le: le === '+Inf' ? Infinity : Number(le), value }]);
  }
  const counts = samples.filter(({ name: sampled }) => sampled === `${name}_count`);
  if (counts.length !== buckets.size) throw new Error(`${name}: buckets without a count`);
  for (const { labels, value } of counts) {
    const steps = buckets.get(keyOf(labels)) ?? [];
    const isGrowing = steps.every(
      (step, index) =>
        index === 0 ||
        (step.le > (steps[index - 1]?.le ?? 0) && step.value >= (steps[index - 1]?.value ?? 0)),
    );
    if (!isGrowing || steps.at(-1)?.le !== Infinity || steps.at(-1)?.value !== value)
      throw new Error(`${name}: buckets that do not grow to their count`);
  }
}
