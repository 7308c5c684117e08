/** The server's options, read once: flags first, then the environment, then what fits this machine. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatS3Address, parseS3Address, readS3Environment } from '@gantry/blobs/s3';
import { GantryError } from '@gantry/contract';
import { type KeepPolicy, parseKeepPolicy } from '@gantry/control';
import { parseByteSize } from '@gantry/kit';
import type { S3Options } from './job-data/s3-access.ts';

export interface ServerOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  /** Where the Open Inference Protocol is spoken over gRPC; absent: nowhere. */
  readonly grpcPort: number | undefined;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly databaseUrl: string | undefined;
  readonly isMemory: boolean;
  readonly bodyLimitBytes: number;
  /** How often accelerators are looked at, where there are any. */
  readonly deviceCheckSeconds: number;
  /** How long logs, checkpoints and the like are kept. */
  readonly keep: KeepPolicy;
  readonly s3: S3Options;
  /** The operator's prices, JSON. */
  readonly pricesFile: string | undefined;
  /** The program that runs images: its name or path, or `none`; absent: the first that answers. */
  readonly containers: string | undefined;
  /** Servers of users' own get a network of their own, whatever they ask for. */
  readonly demandsOwnNetwork: boolean;
}

export function defaultDataDir(env: NodeJS.ProcessEnv, uid: number | undefined): string {
  if (env['GANTRY_DATA_DIR'] !== undefined) return resolve(env['GANTRY_DATA_DIR']);
  if (uid === 0) return '/var/lib/gantry';
  return join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'gantry');
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

export function readOptions(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  uid: number | undefined,
): ServerOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      'data-dir': { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '7070' },
      'grpc-port': { type: 'string' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      insecure: { type: 'boolean', default: false },
      'database-url': { type: 'string' },
      memory: { type: 'boolean', default: false },
      'device-check-seconds': { type: 'string', default: '30' },
      keep: { type: 'string' },
      prices: { type: 'string' },
      containers: { type: 'string' },
      'server-network': { type: 'string' },
      blobs: { type: 'string' },
      checkpoints: { type: 'string' },
      's3-volumes': { type: 'string' },
      's3-cache': { type: 'string' },
    },
  });
  const port = portOf('--port', values.port);
  const grpcPort = values['grpc-port'] === undefined ? undefined : portOf('--grpc-port', values['grpc-port']);
  const deviceCheckSeconds = Number(values['device-check-seconds']);
  if (!(deviceCheckSeconds >= 0.1 && deviceCheckSeconds <= 86_400))
    throw new GantryError('bad_request', '--device-check-seconds is a number from 0.1 to 86400');
  const [certFile, keyFile] = [values['tls-cert'], values['tls-key']];
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new GantryError('bad_request', '--tls-cert and --tls-key go together');
  const tls = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  if (!loopback.has(values.host) && tls === undefined && !values.insecure) {
    throw new GantryError(
      'bad_request',
      `--host ${values.host} would send keys in clear text over the network`,
      {
        hint: 'give --tls-cert and --tls-key, or say --insecure if something in front terminates TLS',
      },
    );
  }
  return {
    dataDir: values['data-dir'] === undefined ? defaultDataDir(env, uid) : resolve(values['data-dir']),
    host: values.host,
    port,
    grpcPort,
    tls,
    databaseUrl: values['database-url'] ?? env['DATABASE_URL'],
    isMemory: values.memory,
    bodyLimitBytes: 8 * 1024 ** 2,
    deviceCheckSeconds,
    containers: values.containers ?? env['GANTRY_CONTAINERS'],
    demandsOwnNetwork: isOwnDemanded(values['server-network'] ?? env['GANTRY_SERVER_NETWORK']),
    pricesFile: values.prices ?? env['GANTRY_PRICES'],
    keep: parseKeepPolicy(values.keep ?? env['GANTRY_KEEP']),
    s3: s3Of(
      {
        volumes: values['s3-volumes'] ?? env['GANTRY_S3_VOLUMES'],
        cache: values['s3-cache'] ?? env['GANTRY_S3_CACHE'],
        blobs: values.blobs ?? env['GANTRY_BLOBS'],
        checkpoints: values.checkpoints ?? env['GANTRY_CHECKPOINTS'],
      },
      env,
    ),
  };
}

function isOwnDemanded(network: string = 'any'): boolean {
  if (network !== 'own' && network !== 'any')
    throw new GantryError('bad_request', `--server-network is own or any, not ${network}`);
  return network === 'own';
}

interface S3Words {
  readonly volumes: string | undefined;
  readonly cache: string | undefined;
  readonly blobs: string | undefined;
  readonly checkpoints: string | undefined;
}

function s3Of(
  { volumes = '', cache = '50GiB', blobs, checkpoints }: S3Words,
  env: NodeJS.ProcessEnv,
): S3Options {
  const openPrefixes = volumes.split(',').filter((each) => each !== '');
  const opened = openPrefixes.map((each) => formatS3Address(parseS3Address(each)));
  for (const url of [blobs, checkpoints]) {
    if (url === undefined) continue;
    const ours = formatS3Address(parseS3Address(url));
    for (const open of opened)
      if (ours.startsWith(open) || open.startsWith(ours))
        throw new GantryError('bad_request', `--s3-volumes ${open} would open ${ours} to everybody`, {
          hint: "give the server's own bytes a prefix of their own",
        });
  }
  const cacheBytes = parseByteSize(cache);
  if (cacheBytes === undefined)
    throw new GantryError('bad_request', `--s3-cache ${cache} is no size`, { hint: 'as in 50GiB' });
  return { settings: readS3Environment(env), openPrefixes, cacheBytes, blobs, checkpoints };
}

function portOf(flag: string, value: string): number {
  const port = Number(value);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new GantryError('bad_request', `${flag} ${value} is no port`, {
    hint: 'a number from 0 to 65535; 0 takes a free one',
  });
}
