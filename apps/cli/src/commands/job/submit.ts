import type { Command } from 'commander';
import { example } from '../../command-group.ts';
import { readJobFile } from '../../job-file.ts';
import { submitJob } from './submit-job.ts';

interface SubmitFileOptions {
  readonly upload?: string;
  readonly wait?: boolean;
  readonly waitForCapacity?: boolean;
}

export function submitCommand(job: Command): void {
  example(
    job
      .command('submit <file>')
      .description('Submit a job file (YAML)')
      .option('--upload <DIR>', 'take this folder along as its working directory')
      .option('--wait', 'follow it to its end; the exit code tells success')
      .option('--wait-for-capacity', 'queue it even if no machine here could run it now'),
    'gantry job submit examples/quickstart.yaml --wait',
  ).action(async (file: string, options: SubmitFileOptions, command: Command) => {
    const { workdir, ...rest } = readJobFile(file);
    const spec = options.upload === undefined ? { ...rest, workdir } : rest;
    await submitJob(command, options.waitForCapacity === true ? { ...spec, waitForCapacity: true } : spec, {
      isFollowed: options.wait === true,
      ...(options.upload === undefined ? {} : { upload: options.upload }),
    });
  });
}
