/** How full the devices are that this process was given, as their driver counts it: whoever else uses them counts too. */
import { execFile } from 'node:child_process';

/** A look costs a process, and readiness is asked for every second. */
const freshMs = 5_000;
const patienceMs = 3_000;
const driver = 'nvidia-smi';

export type AskDriver = (args: readonly string[]) => Promise<string>;

/** The share of the fullest device's memory that is in use; undefined when the driver does not say. */
export function deviceMemory(visible: string, ask: AskDriver = askDriver): () => Promise<number | undefined> {
  const args = [`--id=${visible}`, '--query-gpu=memory.used,memory.total', '--format=csv,noheader,nounits'];
  let seen: Promise<number | undefined> | undefined;
  let untilMs = 0;
  return () => {
    if (seen === undefined || performance.now() >= untilMs) {
      untilMs = performance.now() + freshMs;
      seen = ask(args).then(fullest, () => undefined);
    }
    return seen;
  };
}

/** Lines of `used, total`, one a device. */
function fullest(text: string): number | undefined {
  const shares = text.split('\n').flatMap((line) => {
    const [used, total] = line.split(',').map(Number);
    return used !== undefined && total !== undefined && total > 0 ? [used / total] : [];
  });
  return shares.length === 0 ? undefined : Math.max(...shares);
}

const askDriver: AskDriver = (args) =>
  new Promise((resolve, reject) => {
    execFile(driver, [...args], { timeout: patienceMs }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(error);
    });
  });
