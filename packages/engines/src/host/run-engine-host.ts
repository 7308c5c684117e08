/** The engine as a worker process: where it listens, how it says so, and that SIGTERM drains it. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
export { deviceOf } from '../builds/gpu-builds.ts';
import { deviceMemory } from './device-memory.ts';
import type { EngineServer, ListenOptions } from './engine-server.ts';
import type { ServeLlmOptions } from './llm-server.ts';
import type { TensorServiceOptions } from './tensor-service.ts';

type Served =
  | ({ readonly engine?: 'llm' } & Omit<ServeLlmOptions, 'listen'>)
  | ({ readonly engine: 'tensor' } & TensorServiceOptions & Omit<ListenOptions, 'listen'>);

export type EngineHostOptions = Served & {
  /** The worker's own directory: `engine.sock` and `endpoint.json` appear in it. */
  readonly workerDir: string;
  readonly listen?: ListenOptions['listen'];
};

/** Linux allows 107 bytes for the path of a Unix socket, macOS 103. */
const longestSocketPathBytes = 100;

/**
 * Serves until `signal` aborts and everything has drained. Rejects when the model cannot be loaded. The
 * caller binds SIGTERM to the signal and turns the outcome into an exit code.
 */
export async function runEngineHost(
  options: EngineHostOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const endpointFile = join(options.workerDir, 'endpoint.json');
  let temporary: string | undefined;
  let listen = options.listen;
  if (listen === undefined) {
    let socketPath = join(options.workerDir, 'engine.sock');
    if (Buffer.byteLength(socketPath) > longestSocketPathBytes) {
      temporary = await mkdtemp(join(tmpdir(), 'gantry-'));
      socketPath = join(temporary, 'engine.sock');
    }
    listen = { socketPath };
  }
  try {
    await using server = await serve({
      ...spillRoom(options),
      ...watchedDevice(options),
      ...options,
      listen,
    });
    const aside = `${endpointFile}.${process.pid}.part`;
    await writeFile(aside, `${JSON.stringify(server.address)}\n`);
    await rename(aside, endpointFile);
    await server.loaded;
    await server.closed;
  } finally {
    await rm(endpointFile, { force: true });
    if (temporary !== undefined && dirname(temporary) === tmpdir())
      await rm(temporary, { recursive: true, force: true });
  }
}

function watchedDevice({ device }: Served): Pick<ListenOptions, 'deviceMemory'> {
  if (device !== 'cuda') return {};
  return { deviceMemory: deviceMemory(process.env['CUDA_VISIBLE_DEVICES'] ?? '0') };
}

/** Of the disk, for K/V blocks that had to leave the memory; the file grows as they do. */
const spillDiskBytes = 1024 ** 3;
/** Of the process's memory, for the same, before the disk. */
const spillMemoryShare = 1 / 8;

function spillRoom({ workerDir, memoryBytes }: EngineHostOptions): Pick<ServeLlmOptions, 'memory'> {
  const spillMemoryBytes = Math.floor((memoryBytes ?? 0) * spillMemoryShare);
  return { memory: { spillMemoryBytes, spillDiskBytes, spillFolder: workerDir } };
}

/** A cold start loads only its own engine. */
async function serve(options: Served & ListenOptions): Promise<EngineServer> {
  if (options.engine === 'tensor') {
    const { serveTensors } = await import('./tensor-service.ts');
    return serveTensors(options);
  }
  const { serveLlm } = await import('./llm-server.ts');
  return serveLlm(options);
}
