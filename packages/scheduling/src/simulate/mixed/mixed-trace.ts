/** Job lists and throughputs of the Gavel trace: how fast each job runs on each device model was measured. */
import { TraceError } from '../trace-table.ts';

/** Steps a second by device model, for one kind of job on a number of devices. */
export type Rates = ReadonlyMap<string, number>;

export interface Throughputs {
  readonly models: readonly string[];
  readonly jobTypes: ReadonlySet<string>;
  of: (jobType: string, devices: number) => Rates | undefined;
}

export interface MixedSpec {
  name: string;
  arrivalSeconds: number;
  devices: number;
  steps: number;
  rates: Rates;
}

/** `{model: {"('job type', devices)": {"null": steps a second alone, …}}}`. */
export function parseThroughputs(name: string, content: string): Throughputs {
  const hint = 'Give simulation_throughputs.json as published.';
  const fail = (what: string): never => {
    throw new TraceError(`${name}: ${what}.`, hint);
  };
  let document: unknown;
  try {
    document = JSON.parse(content);
  } catch (error) {
    return fail(`it is no JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!isRecord(document)) return fail('it is no object of device models');
  const known = new Map<string, Map<string, number>>();
  for (const [model, kinds] of Object.entries(document)) {
    if (!isRecord(kinds)) return fail(`"${model}" is no object of job types`);
    for (const [kind, beside] of Object.entries(kinds)) {
      const alone = isRecord(beside) ? beside['null'] : undefined;
      if (typeof alone !== 'number' || !(alone >= 0))
        return fail(`"${model}" ${kind} has no throughput "null" that is zero or more`);
      if (alone === 0) continue;
      const rates = known.get(kind) ?? new Map<string, number>();
      known.set(kind, rates.set(model, alone));
    }
  }
  return {
    models: Object.keys(document),
    jobTypes: new Set([...known.keys()].map((kind) => kind.replace(/^\('(.*)', \d+\)$/u, '$1'))),
    of: (jobType, devices) => known.get(`('${jobType}', ${devices})`),
  };
}

/** Where the numbers stand in a line, by how many columns it has. */
const LAYOUTS: Readonly<Record<number, { steps: number; arrival: number; devices: number }>> = {
  7: { steps: 4, arrival: 5, devices: 6 },
  10: { steps: 5, arrival: 9, devices: 6 },
};

/** Jobs of a `.trace` file, earliest first. Those that ask for no device are left out. */
export function parseMixedJobs(name: string, content: string, throughputs: Throughputs): MixedSpec[] {
  const specs: MixedSpec[] = [];
  for (const [index, line] of content.split(/\r?\n/u).entries()) {
    if (line === '') continue;
    const at = `${name} line ${index + 1}`;
    const cells = line.split('\t');
    const layout = LAYOUTS[cells.length];
    if (layout === undefined)
      throw new TraceError(
        `${at}: it has ${cells.length} columns.`,
        'A line has 7 or 10, separated by tabs.',
      );
    const amount = (column: number, what: string): number => {
      const value = cells[column] === '' ? Number.NaN : Number(cells[column]);
      if (value >= 0) return value;
      throw new TraceError(
        `${at}: ${what} is "${cells[column]}".`,
        'It must be a number that is zero or more.',
      );
    };
    const devices = amount(layout.devices, 'scale_factor');
    if (devices === 0) continue;
    const jobType = cells[0]!;
    if (!throughputs.jobTypes.has(jobType))
      throw new TraceError(
        `${at}: there are no throughputs for "${jobType}".`,
        'Take the throughputs that belong to this trace.',
      );
    specs.push({
      name: `line-${index + 1}`,
      arrivalSeconds: amount(layout.arrival, 'arrival_time'),
      devices,
      steps: amount(layout.steps, 'total_steps'),
      // Never measured on so many devices: it stays unfinished.
      rates: throughputs.of(jobType, devices) ?? new Map<string, number>(),
    });
  }
  return specs.sort((a, b) => a.arrivalSeconds - b.arrivalSeconds);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
