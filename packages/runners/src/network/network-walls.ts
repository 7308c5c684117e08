/**
 * A network of a worker's own: nothing in it but a loopback, so what it listens at nobody else on the machine reaches,
 * and it reaches nobody: neither ports nor sockets of the abstract kind. The shim goes in first and opens the one door
 * (`port-door.ts`); the command behind it may not leave, for which the walls around mounts take its powers.
 */
import { spawnSync } from 'node:child_process';
import { sandboxCommand } from '../local/sandbox-command.ts';

export interface NetworkWalls {
  /** Goes before the shim's command line. */
  readonly prefix: readonly string[];
}

/** A new namespace's loopback is down. The tools lie in sbin, which a user's PATH may leave out. */
const loopbackUp =
  '(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; ip link set lo up || ifconfig lo up || busybox ip link set lo up) ' +
  '2>/dev/null || exit 75; exec "$@"';

/** Who is not root makes it as the root of a user namespace, and is itself again before anything else. */
export function networkWalls(uid: number, gid: number): NetworkWalls {
  const enter = ['--net', '--', '/bin/sh', '-c', loopbackUp, 'gantry-net'];
  if (uid === 0) return { prefix: ['unshare', ...enter] };
  const itself = ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`, '--'];
  return { prefix: ['unshare', '--user', '--map-root-user', ...enter, ...itself] };
}

/** Inside there is a loopback, and the other walls can still be built. */
export function isNetworking({ prefix }: NetworkWalls, namespacePrefix: readonly string[]): boolean {
  const inside = sandboxCommand({ namespacePrefix, procsFiles: [] }, [
    '/bin/sh',
    '-c',
    'grep -q 127.0.0.1 /proc/net/fib_trie && exit 7',
  ]);
  const [program = '', ...args] = [...prefix, ...inside];
  return spawnSync(program, args, { stdio: 'ignore', timeout: 30_000 }).status === 7;
}
