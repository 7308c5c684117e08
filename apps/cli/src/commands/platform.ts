import { existsSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { formatBytes, formatDuration } from '@gantry/kit';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { type GlobalOptions, connect, defaultDataDir, quickstartDataDir, readServer } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { coloured, print, showOne, table } from '../output.ts';
import { isPortFree, runServer, startServer, stopServer } from '../server-process.ts';

export function platformCommands(program: Command): void {
  program
    .command('up')
    .description('Start the platform on this machine')
    .option('--detach', 'in the background')
    .option('--port <N>', 'HTTP port', '7070')
    .option('--host <ADDRESS>', 'address to listen on', '127.0.0.1')
    .option('--tls-cert <FILE>')
    .option('--tls-key <FILE>')
    .option('--insecure', 'listen beyond this machine without TLS')
    .option('--database-url <URL>', 'a Postgres of your own')
    .option('--memory', 'keep everything in memory; nothing survives')
    .addHelpText('after', '\nExample:\n  gantry up --detach')
    .action(async (options: Record<string, string | boolean | undefined>, command: Command) => {
      const dataDir = resolve(command.optsWithGlobals<GlobalOptions>().dataDir ?? defaultDataDir());
      const running = readServer(dataDir);
      if (running !== undefined) {
        throw new CliError(
          'data_dir_held',
          `a gantry is running already (pid ${running.pid}, ${running.url}, data ${dataDir})`,
          {
            hint: 'use it: gantry status; or another: gantry up --port 7071 --data-dir DIR',
            exitCode: exitCodes.refused,
          },
        );
      }
      const flags = ['port', 'host', 'tlsCert', 'tlsKey', 'databaseUrl', 'insecure', 'memory'] as const;
      const args = flags.flatMap((flag) => {
        const value = options[flag];
        const name = `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
        return value === undefined || value === false ? [] : value === true ? [name] : [name, String(value)];
      });
      if (options['detach'] !== true) {
        process.exitCode = await runServer({ dataDir, args });
        return;
      }
      const startedMs = Date.now();
      const server = await startServer({ dataDir, args });
      showOne(
        command,
        { ...server, dataDir },
        () =>
          `  ✓ platform up   ${formatDuration(Date.now() - startedMs)}   ${server.url} · data ${dataDir}\n  look: gantry status    stop: gantry down`,
      );
    });

  program
    .command('down')
    .description('Stop the platform of this machine')
    .option('--purge', 'and remove everything it made')
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  gantry down --purge --yes')
    .action(async (options: { purge?: boolean; yes?: boolean }, command: Command) => {
      const given = command.optsWithGlobals<GlobalOptions>().dataDir;
      const dirs = (given === undefined ? [defaultDataDir(), quickstartDataDir()] : [resolve(given)]).filter(
        (dir) => existsSync(dir),
      );
      for (const dir of dirs) {
        if (await stopServer(dir)) print(`  ✓ stopped   ${dir}`);
        if (options.purge !== true) continue;
        print(`  ${dir} holds: ${readdirSync(dir).join(', ')}`);
        if (options.yes !== true) {
          throw new CliError('bad_request', 'nothing was removed', {
            hint: 'add --yes to remove all of it',
            exitCode: exitCodes.refused,
          });
        }
        rmSync(dir, { recursive: true, force: true });
        print(`  ✓ removed   ${dir}`);
      }
      if (dirs.length === 0) print('  nothing is running and nothing is there');
    });

  program
    .command('status')
    .description('What is running')
    .action(async (_options: unknown, command: Command) => {
      const { client, url } = connect(command);
      const status = await client.call('status.get', {});
      showOne(command, { url, ...status }, () =>
        [
          `  ${url}   gantry ${status.version} · ${status.database} · up ${formatDuration(status.uptimeSeconds * 1000)}`,
          `  tenant ${status.tenant}${status.dataDir === undefined ? '' : ` · data ${status.dataDir}`}`,
          `  jobs   ${
            Object.entries(status.counts)
              .map(([state, count]) => `${count} ${coloured(state)}`)
              .join(' · ') || 'none yet'
          }`,
        ].join('\n'),
      );
    });

  program
    .command('top')
    .description('Machines and running jobs')
    .action(async (_options: unknown, command: Command) => {
      const { client } = connect(command);
      const [nodes, jobs] = [
        await client.call('nodes.list', {}),
        await client.call('jobs.list', { query: { state: 'running' } }),
      ];
      showOne(command, { nodes: nodes.items, jobs: jobs.items }, () =>
        [
          table(
            ['node', 'state', 'cpus', 'memory'],
            nodes.items.map((node) => [
              node.name,
              coloured(node.state),
              `${node.used['cpu'] ?? 0} / ${node.cpuMilli / 1000}`,
              `${formatBytes(node.used['memory'] ?? 0)} / ${formatBytes(node.memoryBytes)}`,
            ]),
          ),
          '',
          table(
            ['job', 'queue', 'step', 'loss', 'tok/s', 'left'],
            jobs.items.map(({ name, queue, progress }) => [
              name,
              queue,
              progress?.step === undefined ? '' : `${progress.step}/${progress.totalSteps ?? '?'}`,
              typeof progress?.loss === 'number' ? progress.loss.toFixed(3) : '',
              progress?.tokensPerSecond === undefined ? '' : String(Math.round(progress.tokensPerSecond)),
              progress?.etaSeconds === undefined ? '' : formatDuration(progress.etaSeconds * 1000),
            ]),
          ),
        ].join('\n'),
      );
    });

  program
    .command('doctor')
    .description('Looks at this machine and says what gantry can use')
    .action(async (_options: unknown, command: Command) => {
      const checks: (readonly [boolean, string, string])[] = [
        [Number(process.versions.node.split('.')[0]) >= 24, 'node', process.version],
        [
          true,
          'platform',
          `${process.platform}-${process.arch}, ${availableParallelism()} CPUs, ${formatBytes(totalmem())}`,
        ],
        [
          await isPortFree(7070),
          'port 7070',
          (await isPortFree(7070)) ? 'free' : 'taken (another gantry, or use --port)',
        ],
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

  program
    .command('backup <file>')
    .description('Copy the data directory of a stopped server into an archive')
    .action(async (file: string, _options: unknown, command: Command) => {
      const dataDir = resolve(command.optsWithGlobals<GlobalOptions>().dataDir ?? defaultDataDir());
      await archive(dataDir, ['-czf', resolve(file), '-C', dataDir, '.'], 'backed up');
    });
  program
    .command('restore <file>')
    .description('Put an archive made by "gantry backup" into an empty data directory')
    .action(async (file: string, _options: unknown, command: Command) => {
      const dataDir = resolve(command.optsWithGlobals<GlobalOptions>().dataDir ?? defaultDataDir());
      if (existsSync(dataDir) && readdirSync(dataDir).length > 0)
        throw new CliError('in_use', `${dataDir} is not empty`, {
          hint: 'move it away first; a restore never overwrites',
          exitCode: exitCodes.refused,
        });
      const { mkdirSync } = await import('node:fs');
      mkdirSync(dataDir, { recursive: true });
      await archive(dataDir, ['-xpzf', resolve(file), '-C', dataDir], 'restored');
    });
}

async function archive(dataDir: string, args: readonly string[], word: string): Promise<void> {
  if (readServer(dataDir) !== undefined)
    throw new CliError('in_use', `the server of ${dataDir} is running`, {
      hint: 'gantry down first: a copy of a running database is no backup',
      exitCode: exitCodes.refused,
    });
  if (!existsSync(dataDir))
    throw new CliError('data_missing', `there is nothing at ${dataDir}`, { exitCode: exitCodes.not_found });
  const { spawnSync } = await import('node:child_process');
  const result = spawnSync('tar', [...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status !== 0)
    throw new CliError('internal', `tar ended with ${result.status}`, { exitCode: exitCodes.internal });
  print(`  ✓ ${word}   ${join(dataDir)}`);
}
