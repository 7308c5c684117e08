import type { CommandNode } from './command-tree.ts';

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

export function fishCompletion(tree: readonly CommandNode[]): string {
  const groups = tree.filter(({ verbs }) => verbs.length > 0).map(({ path }) => path);
  const lines = tree.flatMap(({ path, verbs, options, takesFiles }) => {
    const here = `-n ${quoted(`__gantry_at ${quoted(path)}`)}`;
    return [
      ...verbs.map(
        ({ name, description }) => `complete -c gantry -f ${here} -a ${name} -d ${quoted(description)}`,
      ),
      ...options.map(
        ({ long, description, takesValue, choices }) =>
          `complete -c gantry ${here} -l ${long.slice(2)}${takesValue ? ' -r' : ''}${choices.length > 0 ? ` -f -a ${quoted(choices.join(' '))}` : ''} -d ${quoted(description)}`,
      ),
      ...(takesFiles ? [`complete -c gantry ${here} -F`] : []),
    ];
  });
  return `# gantry completion for fish: gantry completion fish > ~/.config/fish/completions/gantry.fish
# The words typed so far are a path of commands: "job", "job submit".
function __gantry_at
  set -l groups '' ${groups
    .filter((path) => path !== '')
    .map(quoted)
    .join(' ')}
  set -l place
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; and continue
    contains -- "$place" $groups; or break
    set place (string trim -- "$place $word")
  end
  test "$place" = "$argv[1]"
end
complete -c gantry -f
${lines.join('\n')}
`;
}
