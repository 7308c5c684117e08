/** What is killed, and how: SIGKILL to one process of a kind, or to all of them at once as a power cut does. */
import type { Random } from '@gantry/kit';
import { type Process, processesOf } from './processes.ts';
import { until } from './until.ts';

export const victims = ['server', 'shim', 'rank', 'engine', 'postmaster', 'backend', 'machine'] as const;
export type Victim = (typeof victims)[number];

/** Ends the server too when the victim is it or everything. Answers what was struck. */
export async function strike(
  dataDir: string,
  victim: Victim,
  random: Random,
  endServer: () => Promise<void>,
): Promise<string> {
  if (victim === 'server') {
    await endServer();
    return 'server';
  }
  if (victim === 'machine') {
    const all = processesOf(dataDir);
    // Nobody gets the time to notice: all stand still before the first one ends.
    for (const { pid } of all) signal(pid, 'SIGSTOP');
    for (const { pid } of processesOf(dataDir)) signal(pid, 'SIGKILL');
    await endServer();
    await until('a machine without power runs nothing', () => processesOf(dataDir).length === 0);
    return `${all.length} processes`;
  }
  let found: readonly Process[] = [];
  await until(`there is a ${victim} to kill`, () => {
    found = processesOf(dataDir).filter(
      // The sleep of a waiting shell is nobody: its end changes nothing.
      ({ role, command }) => role === victim && !command.startsWith('sleep '),
    );
    return found.length > 0;
  });
  const target = random.pick(found);
  signal(target.pid, 'SIGKILL');
  return `${target.workerId ?? target.role} (${target.command.slice(0, 60)})`;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it was faster
  }
}
