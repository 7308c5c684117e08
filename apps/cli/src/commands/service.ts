import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example, group } from '../command-group.ts';
import { type GlobalOptions, defaultDataDir } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { showOne } from '../output.ts';
import { serverEntry } from '../server-process.ts';
import {
  type Scope,
  hasSystemd,
  removeUnit,
  systemctl,
  unitFolder,
  unitsOf,
  writeUnit,
} from '../service/service-files.ts';
import { unitName, unitText } from '../service/unit-text.ts';

interface InstallOptions {
  readonly user?: boolean;
  readonly system?: boolean;
  readonly runAs?: string;
  readonly port: string;
  readonly host: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecure?: boolean;
  readonly start: boolean;
  readonly dryRun?: boolean;
}

export function serviceCommands(program: Command): void {
  const service = example(
    group(program, 'service', 'The platform as a service of this machine (systemd)'),
    'gantry service install --dry-run',
  );

  example(
    service
      .command('install')
      .description('Start the platform with the machine, and again after a crash')
      .option('--system', 'a service of the machine (default for root)')
      .option('--user', 'a service of your own (default for anybody else)')
      .option('--run-as <USER>', 'system services: the user it runs as (default: root)')
      .option('--port <N>', 'HTTP port', '7070')
      .option('--host <ADDRESS>', 'address to listen on', '127.0.0.1')
      .option('--tls-cert <FILE>', 'certificate, PEM')
      .option('--tls-key <FILE>', 'its key, PEM')
      .option('--insecure', 'listen beyond this machine without TLS')
      .option('--no-start', 'write the unit and start nothing')
      .option('--dry-run', 'print the unit and change nothing'),
    'gantry service install --user',
    'gantry service install --system --run-as gantry --dry-run',
  ).action((options: InstallOptions, command: Command) => {
    const scope = scopeOf(options);
    const dataDir = resolve(command.optsWithGlobals<GlobalOptions>().dataDir ?? defaultDataDir());
    const text = unitText({
      scope,
      nodePath: process.execPath,
      serverEntry: serverEntry(),
      dataDir,
      serverArgs: serverArgs(options),
      ...(options.runAs === undefined ? {} : { runAs: options.runAs }),
    });
    if (options.dryRun === true) {
      showOne(command, { scope, file: `${unitFolder(scope)}/${unitName}`, text }, () => text.trimEnd());
      return;
    }
    if (options.start && !hasSystemd())
      throw new CliError('no_systemd', 'systemd does not run this machine', {
        exitCode: exitCodes.refused,
        hint: 'start it in the background instead: gantry up --detach; or write the unit only: --no-start',
      });
    const file = writeUnit(unitFolder(scope), text);
    if (options.start) {
      systemctl(scope, 'daemon-reload');
      systemctl(scope, 'enable', '--now', unitName);
    }
    const user = scope === 'user' ? '--user ' : '';
    showOne(command, { scope, file, dataDir, started: options.start }, () =>
      [
        `  ✓ ${file}${options.start ? '   enabled and started' : ''}`,
        `  look: systemctl ${user}status gantry · journalctl ${user}-u gantry`,
        ...(scope === 'user' ? ['  to run while you are logged out: loginctl enable-linger'] : []),
      ].join('\n'),
    );
  });

  example(
    service.command('uninstall').description('Stop the service and remove its unit; data stays'),
    'gantry service uninstall',
  ).action((_options: unknown, command: Command) => {
    const dataDir = resolve(command.optsWithGlobals<GlobalOptions>().dataDir ?? defaultDataDir());
    const units = unitsOf(dataDir);
    for (const unit of units) removeUnit(unit);
    showOne(command, { removed: units.map(({ file }) => file) }, () =>
      units.length === 0
        ? `  no service serves ${dataDir}`
        : units.map(({ file }) => `  ✓ removed   ${file}`).join('\n'),
    );
  });
}

function scopeOf(options: InstallOptions): Scope {
  if (options.user === true && options.system === true)
    throw new CliError('bad_request', '--user and --system exclude each other');
  if (options.user === true) return 'user';
  if (options.system === true) return 'system';
  return process.getuid?.() === 0 ? 'system' : 'user';
}

function serverArgs(options: InstallOptions): readonly string[] {
  return [
    '--port',
    options.port,
    '--host',
    options.host,
    ...(options.tlsCert === undefined ? [] : ['--tls-cert', resolve(options.tlsCert)]),
    ...(options.tlsKey === undefined ? [] : ['--tls-key', resolve(options.tlsKey)]),
    ...(options.insecure === true ? ['--insecure'] : []),
  ];
}
