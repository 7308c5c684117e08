import { readTable, TraceError } from '../trace-table.ts';
import type { AdaptiveSpec } from './adaptive-job.ts';
import type { Application } from './application.ts';

/** A workload file of the Pollux trace: `name, time, application, num_replicas, batch_size`. */
export function parseAdaptiveWorkload(
  name: string,
  content: string,
  applications: ReadonlyMap<string, Application>,
): AdaptiveSpec[] {
  return readTable(name, content, ['name', 'time', 'application', 'num_replicas', 'batch_size'])
    .map((row) => {
      const application = applications.get(row.text('application'));
      if (application === undefined)
        throw new TraceError(
          `${name} line ${row.line}: there is no application "${row.text('application')}".`,
          `Known: ${[...applications.keys()].join(', ')}.`,
        );
      const replicas = row.amount('num_replicas');
      if (!Number.isInteger(replicas) || replicas < 1)
        throw new TraceError(
          `${name} line ${row.line}: num_replicas is "${row.text('num_replicas')}".`,
          'It must be a whole number from 1.',
        );
      return {
        name: row.text('name'),
        submittedAt: row.amount('time'),
        application,
        replicas,
        batch: row.amount('batch_size'),
      };
    })
    .sort((a, b) => a.submittedAt - b.submittedAt);
}
