/** A server of somebody else that this run started: on a free port, ready once it says so, gone with all its processes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A loaded machine imports torch for minutes. */
const startMs = 600_000;

export interface ServerCommand {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Answers 200 once it can serve. */
  readonly healthPath: string;
}

export class StartedServer implements AsyncDisposable {
  readonly origin: string;
  readonly #child: ChildProcess;
  readonly #said: string[] = [];

  constructor(port: number, { words: [program = '', ...args], env }: ServerCommand) {
    this.origin = `http://127.0.0.1:${port}`;
    this.#child = spawn(program, args, {
      env: { ...process.env, HF_HUB_OFFLINE: '1', ...env },
      // A group of its own: vLLM's workers end with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.#said.push(chunk.toString());
        if (this.#said.length > 200) this.#said.shift();
      });
  }

  /** On the same port as before where one is given. */
  static async start(commandAt: (port: number) => ServerCommand, port?: number): Promise<StartedServer> {
    const at = port ?? (await freePort());
    const command = commandAt(at);
    const server = new StartedServer(at, command);
    try {
      await server.#ready(command.healthPath);
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  get port(): number {
    return Number(new URL(this.origin).port);
  }

  /** What it wrote last, for whoever tells why something failed. */
  get lastWords(): string {
    return this.#said.join('').slice(-1_500);
  }

  async #ready(path: string): Promise<void> {
    const deadlineMs = Date.now() + startMs;
    for (;;) {
      if (this.#child.exitCode !== null) throw new Error(`it ended before it was ready: ${this.lastWords}`);
      const answer = await fetch(this.origin + path).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.status === 200) return;
      if (Date.now() > deadlineMs) throw new Error(`not ready after ${startMs / 1_000} s: ${this.lastWords}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    process.kill(-pid, 'SIGKILL');
    await ended;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
