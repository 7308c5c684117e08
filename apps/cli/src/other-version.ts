/** A server of another version is said once, before what may come of it: an unknown route, field or state. */
import { gantryVersion } from '@gantry/kit';

/** The line to print, with the way out; undefined where both are the same. */
export function otherVersion(url: string, server: string): string | undefined {
  if (server === gantryVersion) return undefined;
  const way = isNewer(server, gantryVersion)
    ? 'update this one'
    : 'start the server again with this one: gantry down, then gantry up --detach';
  return `  ! this gantry is ${gantryVersion}, the server at ${url} is ${server}; what differs may be refused\n    ${way}`;
}

let hasSaid = false;

/** Once a run, on stderr, for people: with --json stderr holds errors alone. */
export const tellOtherVersion =
  (url: string) =>
  (server: string): void => {
    const line = hasSaid ? undefined : otherVersion(url, server);
    if (line === undefined) return;
    hasSaid = true;
    process.stderr.write(`${line}\n`);
  };

/** By numbers; what follows them (`-beta`) counts as nothing. */
function isNewer(one: string, other: string): boolean {
  const [first, second] = [one, other].map((version) =>
    version.split(/[.-]/, 3).map((part) => Number(part) || 0),
  );
  const at = first?.findIndex((part, index) => part !== second?.[index]) ?? -1;
  return at !== -1 && (first?.[at] ?? 0) > (second?.[at] ?? 0);
}
