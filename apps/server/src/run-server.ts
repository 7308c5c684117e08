/** The server as a process: one JSON line on stdout when ready; logs on stderr; ends on SIGTERM or SIGINT. */
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { GantryError } from '@gantry/contract';
import { createDeferred } from '@gantry/kit';
import { destination, pino } from 'pino';
import { keepLogBounded } from './log-rotation.ts';
import { readOptions } from './options.ts';
import { probeMachine } from './probe.ts';
import { serve } from './serve.ts';
import { warmHost } from './warm-host.ts';
import { workerEntry } from './worker-entry.ts';

const logger = pino(
  { base: null, redact: ['req.headers.authorization', '*.secret'] },
  destination({ fd: 2, sync: false }),
);
const stopped = createDeferred<NodeJS.Signals>();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopped.resolve(signal));

try {
  if (process.argv[2] === '--probe') {
    process.stdout.write(`${JSON.stringify(await probeMachine(process.argv[3] ?? '.'))}\n`);
    process.exit();
  }
  await using server = await serve(
    readOptions(process.argv.slice(2), process.env, process.getuid?.()),
    logger,
  );
  using _log = keepLogBounded({
    file: join(server.platform.dataDir, 'logs', 'server.log'),
    descriptor: 2,
    limitBytes: 64 * 1024 ** 2,
    everyMs: 60_000,
  });
  flushCompileCache(); // a server that is killed writes nothing at its end
  const { url, grpcPort } = server;
  const grpc = grpcPort === undefined ? {} : { grpc: `${new URL(url).hostname}:${grpcPort}` };
  process.stdout.write(`${JSON.stringify({ ready: true, url, pid: process.pid, ...grpc })}\n`);
  await using _warming = warmHost(workerEntry(), logger);
  const signal = await stopped.promise;
  logger.info({ signal }, 'stopping');
} catch (error) {
  const known = error instanceof GantryError ? error : undefined;
  const message = known?.message ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
  const line = {
    error: {
      code: known?.code ?? 'internal',
      message,
      ...(known?.hint === undefined ? {} : { hint: known.hint }),
    },
  };
  process.stderr.write(`${JSON.stringify(line)}\n`);
  process.exitCode = 1;
}
process.exit();
