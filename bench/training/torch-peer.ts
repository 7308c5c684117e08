/** A torch program that does one measured piece of work for each line it is sent. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface TorchPeer {
  readonly version: string;
  /** Milliseconds, as the program measured them itself. */
  measure(): Promise<number>;
  /** The same, with all it has measured in one round. */
  measureAll(): Promise<Readonly<Record<string, number>>>;
  stop(): void;
}

/** Undefined when GANTRY_BENCH_PYTHON names no Python. */
export async function startTorchPeer(
  script: string,
  args: readonly string[],
): Promise<TorchPeer | undefined> {
  const python = process.env['GANTRY_BENCH_PYTHON'];
  if (python === undefined) return undefined;
  const child = spawn(python, [join(import.meta.dirname, script), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, unknown>> =>
    JSON.parse(String((await lines.next()).value)) as Record<string, unknown>;
  const version = String((await next())['torch']);
  const measureAll = async (): Promise<Readonly<Record<string, number>>> => {
    child.stdin.write('\n');
    return (await next()) as Record<string, number>;
  };
  return {
    version,
    measureAll,
    measure: async () => Number((await measureAll())['ms']),
    stop: () => child.stdin.end(),
  };
}
