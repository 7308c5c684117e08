/** The tensor servers of others: what each is made of, how it is started, and how it is connected. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { RemoteEngine } from '@gantry/contract';
import type { ServerCommand } from '../openai-servers/started-server.ts';

export interface Place {
  /** Of its environment. */
  readonly python: string;
  /** Empty, of this server alone. */
  readonly dir: string;
  readonly port: number;
  /** gRPC, or TorchServe's management. */
  readonly secondPort: number;
}

export interface TensorServerKind {
  readonly name: 'triton' | 'mlserver' | 'torchserve';
  readonly engine: RemoteEngine;
  readonly requirements: { readonly file: string; readonly over?: boolean };
  readonly models: readonly string[];
  readonly speaksGrpc: boolean;
  /** What one server takes at once, as it says itself. */
  readonly slots?: number;
  /** Lays out what it serves; once. */
  prepare(place: Place): Promise<void>;
  command(place: Place): ServerCommand;
}

const peers = join(import.meta.dirname, '..', 'peers', 'tensor_servers');
const run = promisify(execFile);
/** Its own programs first. */
const pathOf = (python: string): string => `${dirname(python)}${delimiter}${process.env['PATH'] ?? ''}`;

const triton: TensorServerKind = {
  name: 'triton',
  engine: 'triton',
  requirements: { file: 'requirements-triton.txt' },
  models: ['doubler', 'echo', 'counter', 'repeat'],
  speaksGrpc: true,
  // Two instances of batches of eight.
  slots: 16,
  prepare: async ({ python, dir }) => {
    await run(python, [join(peers, 'triton_repository.py'), join(dir, 'repository')]);
  },
  command: ({ python, dir, port, secondPort }) => ({
    words: [
      python,
      join(peers, 'triton_start.py'),
      join(dir, 'repository'),
      join(dir, `at-${Date.now()}`),
      String(port),
      String(secondPort),
    ],
    env: { PATH: pathOf(python) },
    healthPath: '/v2/health/ready',
  }),
};

const mlserver: TensorServerKind = {
  name: 'mlserver',
  engine: 'oip',
  requirements: { file: 'requirements-mlserver.txt' },
  models: ['doubler'],
  speaksGrpc: true,
  prepare: async ({ dir, port, secondPort }) => {
    const model = join(dir, 'doubler');
    await mkdir(model, { recursive: true });
    await copyFile(join(peers, 'mlserver_doubler.py'), join(model, 'mlserver_doubler.py'));
    const implementation = 'mlserver_doubler.Doubler';
    await writeFile(join(model, 'model-settings.json'), JSON.stringify({ name: 'doubler', implementation }));
    const settings = {
      host: '127.0.0.1',
      http_port: port,
      grpc_port: secondPort,
      metrics_endpoint: null,
      parallel_workers: 0,
    };
    await writeFile(join(dir, 'settings.json'), JSON.stringify(settings));
  },
  command: ({ python, dir }) => ({
    words: [join(dirname(python), 'mlserver'), 'start', dir],
    env: { PATH: pathOf(python), PYTHONPATH: join(dir, 'doubler') },
    healthPath: '/v2/models/doubler/ready',
  }),
};

const torchserve: TensorServerKind = {
  name: 'torchserve',
  engine: 'torchserve',
  requirements: { file: 'requirements-torchserve.txt', over: true },
  models: ['doubler'],
  speaksGrpc: false,
  // Two workers with batches of four.
  slots: 8,
  prepare: async ({ python, dir, port, secondPort }) => {
    const store = join(dir, 'store');
    await mkdir(store, { recursive: true });
    const handler = join(peers, 'torchserve_doubler.py');
    await run(
      join(dirname(python), 'torch-model-archiver'),
      [
        '--model-name',
        'doubler',
        '--version',
        '1.0',
        '--handler',
        handler,
        '--export-path',
        store,
        '--force',
      ],
      { env: { ...process.env, PATH: pathOf(python) } },
    );
    const model = { defaultVersion: true, marName: 'doubler.mar', minWorkers: 2, maxWorkers: 2 };
    const models = { doubler: { '1.0': { ...model, batchSize: 4, maxBatchDelay: 5, responseTimeout: 60 } } };
    const settings = {
      inference_address: `http://127.0.0.1:${port}`,
      management_address: `http://127.0.0.1:${secondPort}`,
      // Any that is free; nobody asks there.
      metrics_address: `unix:${join(dir, 'metrics')}`,
      grpc_inference_port: '0',
      grpc_management_port: '0',
      service_envelope: 'json',
      disable_token_authorization: 'true',
      model_store: store,
      load_models: 'doubler.mar',
      models: JSON.stringify(models),
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    await writeFile(join(dir, 'config.properties'), `${lines.join('\n')}\n`);
  },
  command: ({ python, dir }) => ({
    words: [
      join(dirname(python), 'torchserve'),
      '--start',
      '--foreground',
      '--ncs',
      '--ts-config',
      join(dir, 'config.properties'),
    ],
    env: {
      PATH: pathOf(python),
      TEMP: dir,
      LOG_LOCATION: join(dir, 'logs'),
      METRICS_LOCATION: join(dir, 'logs'),
    },
    healthPath: '/ping',
  }),
};

export const tensorServerKinds: readonly TensorServerKind[] = [triton, mlserver, torchserve];
