/**
 * Walls around a program that runs code from a file: no network, a file system that is read-only but for one folder,
 * no way to more rights, and a namespace of processes that ends with it. Memory, processors and time are those of the
 * worker around it. Inside a user namespace of its own, so that it needs no rights of ours (user_namespaces(7)).
 */
import { spawn, spawnSync } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface SandboxedEnd {
  readonly code: number | null;
  /** What it wrote on descriptor 3. */
  readonly answer: string;
}

/** $1 = the folder that stays writable; then the command. Every other mount that is there becomes read-only. */
const wall = `
mount --bind "$1" "$1" && cd "$1" || exit 75
kept=$1; shift
while read -r _ _ _ _ point _; do
  case $point in "$kept"|"$kept"/*) continue;; esac
  mount -o remount,bind,ro "$point" 2>/dev/null
done < /proc/self/mountinfo
touch /gantry-probe 2>/dev/null && { rm -f /gantry-probe; exit 75; }
exec "$@"`;

const namespaces = [
  'unshare',
  '--user',
  '--map-root-user',
  '--net',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
  '--',
];
const withoutRights = ['setpriv', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--'];

export const sandboxed = (writable: string, command: readonly string[]): readonly string[] => [
  ...namespaces,
  '/bin/sh',
  '-c',
  wall,
  'gantry-wall',
  writable,
  ...withoutRights,
  ...command,
];

/** Whether this machine lets us build them. */
export function canSandbox(writable: string): boolean {
  const [program = '', ...args] = sandboxed(writable, ['/bin/true']);
  return spawnSync(program, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

export async function runSandboxed(
  writable: string,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<SandboxedEnd> {
  const [program = '', ...args] = sandboxed(writable, command);
  const child = spawn(program, args, { cwd: writable, env, stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
    child.on('error', () => resolve(null));
  });
  const stream = child.stdio[3] as NodeJS.ReadableStream;
  const [answer, code] = await Promise.all([text(stream), ended]);
  return { code, answer };
}
