/** Lets the server into the network of a container that has one of its own (`network/port-door.ts`). */
import { spawn } from 'node:child_process';
import { extname, join } from 'node:path';
import type { WorkerNetwork } from '@gantry/ports';
import { lastWords } from './run-tool.ts';

export interface ContainerDoor {
  /** Resolves once what was under way is through, or was cut. */
  close(): Promise<void>;
}

/** `pid`: of any process in the container, as this machine counts them. Rejects with what nsenter or the door said. */
export async function openContainerDoor(
  pid: number,
  { socketPath, port }: NonNullable<WorkerNetwork['door']>,
): Promise<ContainerDoor> {
  const program = join(import.meta.dirname, `../network/door-process${extname(import.meta.filename)}`);
  // The network of a container that no root made belongs to its user namespace.
  const rights = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
  const node = [process.execPath, '--max-old-space-size=64', '--disable-warning=ExperimentalWarning'];
  const child = spawn(
    'nsenter',
    [`--target=${pid}`, '--net', ...rights, '--', ...node, program, socketPath, String(port)],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  child.stdin.on('error', () => undefined);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (said = (said + part).slice(-2_048)));
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      said = error.message;
      resolve();
    });
    child.once('close', () => resolve());
  });
  const isOpen = await Promise.race([
    new Promise<true>((resolve) => child.stdout.once('data', () => resolve(true))),
    gone.then(() => false),
  ]);
  if (!isOpen) throw new Error(lastWords({ code: 1, stdout: '', stderr: said }));
  return {
    close: () => {
      child.stdin.end();
      return gone;
    },
  };
}
