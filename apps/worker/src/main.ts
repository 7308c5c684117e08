/**
 * What a placement runs: `main.ts train` is a training rank, `main.ts engine` a model replica. Each kind
 * loads only its own packages, so a rank never pays for an engine.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { kinds, type WorkerKind } from './kinds.ts';

// Beside the code, so that nobody can write it who could not write the code itself; threads look for it in the environment.
enableCompileCache(
  (process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../../../node_modules/.cache/gantry')),
);

// ONNX Runtime sends usage data from Linux and macOS since 1.29, unless told before it is loaded.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';

const kind = process.argv[2] ?? '';
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort(new Error(signal)));

if (kind in kinds) {
  process.exit(await kinds[kind as WorkerKind](process.env, stop.signal));
}
process.stderr.write(`A worker is one of: ${Object.keys(kinds).join(', ')}. Got ${JSON.stringify(kind)}.\n`);
process.exit(64);
