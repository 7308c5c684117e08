/** Chat templates, rendered one after the other in a process of their own with limits; it is replaced when it breaks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { extname, join } from 'node:path';
import { createDeferred, type Deferred } from '@gantry/kit';
import { EngineError } from '../engine-error.ts';
import type { RenderAnswer, RenderOrder } from './template-process.ts';

interface RenderLimits {
  /** Of one rendering, once the process runs; default 10 s. Templates take a millisecond. */
  readonly timeoutMs?: number;
  /** Of the process, Node's own 60 MB among them; default 768 MiB. */
  readonly memoryBytes?: number;
}

interface Running {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  /** What waits for the next answer. */
  waiting: Deferred<RenderAnswer> | undefined;
}

export class TemplateRenderer implements AsyncDisposable {
  readonly #timeoutMs: number;
  readonly #memoryBytes: number;
  #running: Running | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isDisposed = false;

  constructor({ timeoutMs = 10_000, memoryBytes = 768 * 2 ** 20 }: RenderLimits = {}) {
    this.#timeoutMs = timeoutMs;
    this.#memoryBytes = memoryBytes;
  }

  /** Ahead of the first request; it is waited for there. */
  start(): void {
    this.#running ??= this.#spawn();
  }

  /**
   * The text, at most 16 Mi characters. Rejects with `invalid_value` where the template refuses the values, and with
   * `chat_template_failed` where it breaks a limit or its process.
   */
  render(order: RenderOrder): Promise<string> {
    const mine = this.#last.then(() => this.#render(order));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#end();
    await this.#last;
  }

  async #render(order: RenderOrder): Promise<string> {
    if (this.#isDisposed) throw new EngineError('shutting_down', 'The engine is shutting down.');
    this.start();
    const running = this.#running as Running;
    await running.ready;
    const waiting = createDeferred<RenderAnswer>();
    running.waiting = waiting;
    const timer = setTimeout(() => {
      waiting.reject(failed(`runs for longer than ${this.#timeoutMs / 1_000} s`));
      this.#end();
    }, this.#timeoutMs);
    try {
      running.child.send(order);
      return this.#read(await waiting.promise);
    } finally {
      clearTimeout(timer);
    }
  }

  #read(answer: RenderAnswer): string {
    switch (answer.kind) {
      case 'text':
        return answer.text;
      case 'refused':
        throw new EngineError('invalid_value', "The model's chat template refuses these messages.", {
          param: 'messages',
          cause: answer.message,
        });
      case 'too-long':
        throw failed('writes a prompt of more than 16 Mi characters');
      default:
        // What it has taken is not given back.
        this.#end();
        throw failed(`needs more than ${Math.round(this.#memoryBytes / 2 ** 20)} MiB of memory`);
    }
  }

  #end(): void {
    this.#running?.child.kill('SIGKILL');
    this.#running = undefined;
  }

  #spawn(): Running {
    const entry = join(import.meta.dirname, `template-process${extname(import.meta.filename)}`);
    // A shell sets the limit on itself and becomes the process: private memory that may be written, as Linux counts it.
    const limited = `ulimit -c 0 && ulimit -d ${Math.ceil(this.#memoryBytes / 1_024)} && exec "$0" "$@"`;
    const child = spawn('/bin/sh', ['-c', limited, process.execPath, entry], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // It needs nothing of ours, and what breaks it may read what it has.
      env: {},
    });
    const ready = createDeferred<void>();
    const running: Running = { child, ready: ready.promise, waiting: undefined };
    ready.promise.catch(() => undefined);
    let isReady = false;
    const lose = (cause: unknown, how: string): void => {
      const error = isReady
        ? failed(`broke its process (${how})`)
        : new EngineError('engine_failed', 'The process for chat templates does not start.', { cause });
      if (this.#running === running) this.#running = undefined;
      ready.reject(error);
      running.waiting?.reject(error);
    };
    child.on('message', (answer: RenderAnswer) => {
      if (answer.kind === 'ready') {
        isReady = true;
        ready.resolve();
      } else running.waiting?.resolve(answer);
    });
    child.once('error', (cause) => lose(cause, 'it is out of reach'));
    child.once('exit', (code, signal) => lose(`exit ${code ?? signal}`, signal ?? 'it ended'));
    return running;
  }
}

const failed = (how: string): EngineError =>
  new EngineError('chat_template_failed', `The model's chat template ${how}.`, {
    param: 'messages',
    hint: 'It comes with the model: take a model from a source that you trust, or send the prompt to /v1/completions.',
  });
