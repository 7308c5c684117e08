/** The command line that puts a command behind its walls. Pure; what is possible here is the probe's to say. */
import type { WorkerMount } from '@gantry/ports';
import { withVariables } from './later-variables.ts';
import { type MountPlaces, mountCommand } from './mount-script.ts';

export interface Walls {
  /** Program and arguments that end in a new PID namespace; empty where none may be made. */
  readonly namespacePrefix: readonly string[];
  /** Groups to enter first. */
  readonly procsFiles: readonly string[];
  /** Gets the process id of the group's leader before the command begins, so a killed shim leaves a trace. */
  readonly pidFile?: string;
  /** Names of the command's own variables, which come `underLaterNames`. */
  readonly variables?: readonly string[];
  readonly mounts?: {
    readonly list: readonly WorkerMount[];
    readonly places: MountPlaces;
    /** Makes the namespace where `namespacePrefix` is empty. */
    readonly prefix: readonly string[];
    /** Back to being the user that we are. */
    readonly inner: readonly string[];
  };
}

/** $1 = pid file or '', then the groups, then --, then the command. */
const enter =
  'if [ -n "$1" ]; then echo $$ > "$1"; fi; shift; ' +
  'while [ "$1" != -- ]; do echo 0 > "$1" || exit 126; shift; done; shift; exec "$@"';
/**
 * The first process of the namespace: the namespace ends with it. Its own words about signals go nowhere; the
 * command's go where they belong. A signal's number arrives as 128 + n, as shells say it. On descriptor 3 it writes
 * that the command came to its end: `unshare` makes an exit code 1 of a first process that was killed.
 */
const init = 'exec 4>&2 2>/dev/null; (exec "$@" 2>&4 4>&- 3>&-); code=$?; echo "$code" >&3; exit "$code"';

export function sandboxCommand(walls: Walls, command: readonly string[]): readonly string[] {
  const { mounts, namespacePrefix, variables = [] } = walls;
  const own = withVariables(variables, command);
  const mounted =
    mounts === undefined ? own : mountCommand(mounts.list, mounts.places, [...mounts.inner, ...own]);
  const inside =
    namespacePrefix.length === 0
      ? [...(mounts?.prefix ?? []), ...mounted]
      : [...namespacePrefix, '/bin/sh', '-c', init, 'gantry-init', ...mounted];
  return ['/bin/sh', '-c', enter, 'gantry-enter', walls.pidFile ?? '', ...walls.procsFiles, '--', ...inside];
}

const signals: Readonly<Record<number, NodeJS.Signals>> = {
  2: 'SIGINT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
};

/** What the end of the namespace's first process says about the command's, and whether it wrote that it had ended. */
export function unwrapExit(
  code: number | null,
  signal: string | null,
  hasEnded: boolean,
): { readonly code: number | null; readonly signal: string | null } {
  if (!hasEnded && code === 1) return { code: null, signal: 'SIGKILL' };
  const inner = code === null ? undefined : signals[code - 128];
  // 143 stays a code: our own workers end with it after SIGTERM, and both mean the same.
  return inner === undefined || code === 143 ? { code, signal } : { code: null, signal: inner };
}
