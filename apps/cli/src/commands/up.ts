import { resolve } from 'node:path';
import { formatDuration } from '@gantry/kit';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { example } from '../command-group.ts';
import { type GlobalOptions, defaultDataDir, memoryDataDir, readServer } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { showOne } from '../output.ts';
import { forgetMemoryServer } from '../memory-server.ts';
import { describeAddresses, runServer, startServer } from '../server-process.ts';

const passed = [
  'port',
  'grpcPort',
  'host',
  'tlsCert',
  'tlsKey',
  'databaseUrl',
  'insecure',
  'memory',
  'keep',
  'prices',
  'blobs',
  'checkpoints',
  's3Volumes',
  's3Cache',
  'containers',
  'serverNetwork',
] as const;

export function upCommand(program: Command): void {
  example(
    program
      .command('up')
      .description('Start the platform on this machine')
      .option('--detach', 'in the background')
      .option('--port <N>', 'HTTP port', '7070')
      .option('--grpc-port <N>', 'also serve tensor models over gRPC there')
      .option('--host <ADDRESS>', 'address to listen on', '127.0.0.1')
      .option('--tls-cert <FILE>', 'certificate, PEM')
      .option('--tls-key <FILE>', 'its key, PEM')
      .option('--insecure', 'listen beyond this machine without TLS')
      .option('--database-url <URL>', 'a Postgres of your own')
      .option('--memory', 'keep the database in memory; files go too, unless in --data-dir')
      .option('--prices <FILE>', 'what things cost from which day on, JSON; docs/ledger.md')
      .option('--blobs <URL>', 'keep blobs on S3: s3://bucket/prefix; docs/s3.md')
      .option('--checkpoints <URL>', 'copy checkpoints to S3 as well: s3://bucket/prefix')
      .option('--s3-volumes <URLS>', "prefixes all may use with the server's credentials: s3://bucket/open,…")
      .option('--s3-cache <SIZE>', 'how much of S3 this node keeps (50GiB); docs/s3.md')
      .option(
        '--containers <TOOL>',
        'what runs images: podman, docker, nerdctl, a path or none (the first that answers)',
      )
      .option(
        '--server-network <WHICH>',
        "own: servers of users' own reach nothing and are reached through the gateway only; any (default)",
      )
      .option('--keep <AGES>', 'how long things stay: logs=14d,checkpoints=14d,runs=90d,blobs=7d'),
    'gantry up --detach',
    'gantry up --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem',
  ).action(async (options: Record<string, string | boolean | undefined>, command: Command) => {
    const given = command.optsWithGlobals<GlobalOptions>().dataDir;
    const isForgotten = options['memory'] === true && given === undefined;
    const dataDir = isForgotten ? memoryDataDir() : resolve(given ?? defaultDataDir());
    const running = readServer(dataDir);
    if (running !== undefined)
      throw new CliError(
        'data_dir_held',
        `a gantry is running already (pid ${running.pid}, ${running.url}, data ${dataDir})`,
        {
          hint: 'use it: gantry status; or another: gantry up --port 7071 --data-dir DIR',
          exitCode: exitCodes.refused,
        },
      );
    // Left by one that was killed.
    if (isForgotten) await forgetMemoryServer();
    const args = passed.flatMap((flag) => serverFlag(flag, options[flag]));
    if (options['detach'] !== true) {
      process.exitCode = await runServer({ dataDir, args });
      if (isForgotten) await forgetMemoryServer();
      return;
    }
    const startedMs = Date.now();
    const server = await startServer({ dataDir, args });
    showOne(
      command,
      { ...server, dataDir },
      () =>
        `  ✓ platform up   ${formatDuration(Date.now() - startedMs)}   ${describeAddresses(server)} · data ${dataDir}\n  look: gantry status    stop: gantry down`,
    );
  });
}

/** `tlsCert`, `x` → `--tls-cert x`. */
function serverFlag(flag: string, value: string | boolean | undefined): readonly string[] {
  const name = `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (value === undefined || value === false) return [];
  return value === true ? [name] : [name, value];
}
