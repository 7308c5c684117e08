/**
 * A worker's own variables reach its command alone. The programs that build its walls run with more rights than it, and
 * some variables choose what a program runs (PATH, LD_PRELOAD and whatever else the C library reads): so all of them
 * travel under names that mean nothing, and get their own once the walls stand.
 */
const prefix = 'GANTRY_LATER_';

/** What a shell can export. */
export const isVariableName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);

/** Shells keep these for themselves, some read-only. */
const isOfShells = (name: string): boolean =>
  /^(BASH.*|DIRSTACK|E?UID|FUNCNAME|GROUPS|HISTCMD|LINENO|OPT(ARG|IND)|PPID|RANDOM|SECONDS|SHELLOPTS|SRANDOM)$/.test(
    name,
  );

export const underLaterNames = (variables: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [`${prefix}${name}`, value]));

/** The command that gives the variables their names, then becomes `command`. Values stand in no argument that lasts. */
export function withVariables(names: readonly string[], command: readonly string[]): readonly string[] {
  if (names.length === 0) return command;
  const exported = names
    .filter((name) => !isOfShells(name))
    .map((name) => `export ${name}="$${prefix}${name}"; unset ${prefix}${name}; `);
  const kept = names.filter(isOfShells);
  const unset = kept.map((name) => ` -u ${prefix}${name}`).join('');
  const assigned = kept.map((name) => ` ${name}="$${prefix}${name}"`).join('');
  const last = kept.length === 0 ? 'exec "$@"' : `exec /usr/bin/env${unset}${assigned} "$@"`;
  return ['/bin/sh', '-c', `${exported.join('')}${last}`, 'gantry-variables', ...command];
}
