/** A model replica from its spec file to its exit code: it serves until it is told to stop, then drains. */
import { readFile } from 'node:fs/promises';
import { EngineError } from '@gantry/engines/error';
import { deviceOf, runEngineHost } from '@gantry/engines/host';
import { parseEngineSpec } from './engine-spec.ts';

const exitCodes = { done: 0, user: 64, internal: 70, stopped: 143 } as const;

export async function runEngine(
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<number> {
  const specFile = env['GANTRY_SPEC_FILE'];
  const workerDir = env['GANTRY_WORKER_DIR'];
  const spec = specFile === undefined ? undefined : parseEngineSpec(await readText(specFile));
  if (spec === undefined || workerDir === undefined) {
    process.stderr.write(
      'An engine needs GANTRY_WORKER_DIR, and GANTRY_SPEC_FILE with modelPath and modelName.\n',
    );
    return exitCodes.user;
  }
  try {
    const device = deviceOf(env);
    await runEngineHost({
      ...spec,
      ...(device === undefined ? {} : { device }),
      workerDir,
      signal,
      onLog: (line) => process.stderr.write(`${line}\n`),
    });
    return signal.aborted ? exitCodes.stopped : exitCodes.done;
  } catch (error) {
    process.stderr.write(`${complaintOf(error)}\n`);
    return exitCodes.internal;
  }
}

/** Last what can be mended, in a sentence or two; where something failed inside, its stack before. */
function complaintOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (!(error instanceof EngineError)) return stack;
  const said = `${error.code}: ${error.text}`;
  return error.code === 'engine_failed' ? `${stack}\n${said}` : said;
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
