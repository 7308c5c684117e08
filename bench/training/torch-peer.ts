/** Programs that do one measured piece of work for each line they are sent: torch as the peer, and our own ranks. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

type Answer = Readonly<Record<string, number | string>>;

interface Program {
  readonly hello: Answer;
  ask(): Promise<Answer>;
  stop(): void;
}

async function startProgram(command: string, args: readonly string[]): Promise<Program> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<Answer> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`${command} ${args.join(' ')} ended early`);
    return JSON.parse(line.value) as Answer;
  };
  return {
    hello: await next(),
    ask: async () => {
      child.stdin.write('\n');
      return next();
    },
    stop: () => child.stdin.end(),
  };
}

export interface Contender {
  readonly version: string;
  /** Milliseconds as the programs measured them themselves; of several the slowest counts. */
  measure(): Promise<number>;
  /** The same of the first, with all it has measured in one round. */
  measureAll(): Promise<Readonly<Record<string, number>>>;
  stop(): void;
}

async function startPrograms(
  command: string,
  argsOfEach: readonly (readonly string[])[],
): Promise<Contender> {
  const programs = await Promise.all(argsOfEach.map((args) => startProgram(command, args)));
  const askAll = (): Promise<Answer[]> => Promise.all(programs.map((program) => program.ask()));
  return {
    version: String(programs[0]?.hello['torch']),
    measure: async () => Math.max(...(await askAll()).map((answer) => Number(answer['ms']))),
    measureAll: async () => (await askAll())[0] as Readonly<Record<string, number>>,
    stop: () => {
      for (const program of programs) program.stop();
    },
  };
}

const scriptPath = (script: string): string => join(import.meta.dirname, script);

/** Undefined when GANTRY_BENCH_PYTHON names no Python. One process for each list of arguments. */
export async function startTorchPeers(
  script: string,
  argsOfEach: readonly (readonly string[])[],
): Promise<Contender | undefined> {
  const python = process.env['GANTRY_BENCH_PYTHON'];
  if (python === undefined) return undefined;
  return startPrograms(
    python,
    argsOfEach.map((args) => [scriptPath(script), ...args]),
  );
}

export function startTorchPeer(script: string, args: readonly string[]): Promise<Contender | undefined> {
  return startTorchPeers(script, [args]);
}

/** Our own ranks, each a process. */
export function startRanks(script: string, argsOfEach: readonly (readonly string[])[]): Promise<Contender> {
  return startPrograms(
    process.execPath,
    argsOfEach.map((args) => [scriptPath(script), ...args]),
  );
}
