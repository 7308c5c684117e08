import type { Command } from 'commander';
import { example } from '../../command-group.ts';
import { readJobFile } from '../../job-file.ts';
import { submitJob } from './submit-job.ts';

export function submitCommand(job: Command): void {
  example(
    job
      .command('submit <file>')
      .description('Submit a job file (YAML)')
      .option('--wait', 'follow it to its end; the exit code tells success')
      .option('--wait-for-capacity', 'queue it even if no machine here could run it now'),
    'gantry job submit examples/quickstart.yaml --wait',
  ).action(async (file: string, options: { wait?: boolean; waitForCapacity?: boolean }, command: Command) => {
    const spec = readJobFile(file);
    await submitJob(command, options.waitForCapacity === true ? { ...spec, waitForCapacity: true } : spec, {
      isFollowed: options.wait === true,
    });
  });
}
