import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { formatBytes } from '@gantry/kit';
import type { Command } from 'commander';
import { example } from '../command-group.ts';
import { defaultDataDir, readServer } from '../connection.ts';
import { showOne } from '../output.ts';
import { isPortFree } from '../server-process.ts';

export function doctorCommand(program: Command): void {
  example(
    program.command('doctor').description('Looks at this machine and says what gantry can use'),
    'gantry doctor',
  ).action(async (_options: unknown, command: Command) => {
    const isFree = await isPortFree(7070);
    const checks: (readonly [boolean, string, string])[] = [
      [Number(process.versions.node.split('.')[0]) >= 24, 'node', process.version],
      [
        true,
        'platform',
        `${process.platform}-${process.arch}, ${availableParallelism()} CPUs, ${formatBytes(totalmem())}`,
      ],
      [isFree, 'port 7070', isFree ? 'free' : 'taken (another gantry, or use --port)'],
      [
        existsSync('/sys/fs/cgroup'),
        'limits',
        'memory and process counts watched by the shim of each worker',
      ],
      [
        true,
        'data',
        `${defaultDataDir()}${readServer(defaultDataDir()) === undefined ? '' : ' (a server is running)'}`,
      ],
    ];
    showOne(
      command,
      checks.map(([ok, name, text]) => ({ ok, name, text })),
      () => checks.map(([ok, name, text]) => `  ${ok ? '✓' : '✗'} ${name.padEnd(10)} ${text}`).join('\n'),
    );
  });
}
