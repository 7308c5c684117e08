/** Where reading a log begins and whether it goes on: the same flags for every log there is. */
import { type Command, Option } from 'commander';
import { countOption, numberOption, timeOption } from './command-group.ts';

export interface LogOptions {
  readonly stream: 'stdout' | 'stderr';
  readonly since?: string;
  readonly tail?: number;
  readonly sinceBytes?: number;
  readonly follow?: boolean;
}

export function withLogOptions(command: Command, stream: LogOptions['stream']): Command {
  return command
    .addOption(
      new Option('--stream <NAME>', 'what it wrote to').choices(['stdout', 'stderr']).default(stream),
    )
    .option('--since <TIME>', 'only what was written since (10m: so long ago, or a time)', timeOption)
    .option('--tail <N>', 'only so many lines of its end', countOption)
    .option('--since-bytes <N>', 'leave out this much of the beginning', numberOption)
    .option('-f, --follow', 'go on until it ends');
}

/** As the log routes take them. */
export const logQuery = ({ stream, since, tail, sinceBytes, follow }: LogOptions) => ({
  stream,
  follow: follow === true ? ('true' as const) : ('false' as const),
  ...(since === undefined ? {} : { since }),
  ...(tail === undefined ? {} : { tailLines: tail }),
  ...(sinceBytes === undefined ? {} : { sinceBytes }),
});
