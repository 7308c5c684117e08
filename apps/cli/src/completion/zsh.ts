import type { CommandNode } from './command-tree.ts';

const quoted = (text: string): string => text.replaceAll("'", "'\\''");
/** `_describe` splits at the first colon. */
const described = (name: string, description: string): string =>
  `'${quoted(name).replaceAll(':', '\\:')}:${quoted(description)}'`;

export function zshCompletion(tree: readonly CommandNode[]): string {
  const cases = tree.map(
    ({ path, verbs, options, takesFiles }) => `    '${path}')
      verbs=(${verbs.map(({ name, description }) => described(name, description)).join(' ')})
      options=(${options.map(({ long, description }) => described(long, description)).join(' ')})
      valued=(${options
        .filter(({ takesValue }) => takesValue)
        .map(({ long }) => long)
        .join(' ')})
      files=${takesFiles ? 'yes' : "''"} ;;`,
  );
  return `#compdef gantry
# gantry completion for zsh: gantry completion zsh > "\${fpath[1]}/_gantry"
_gantry_words() {
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
_gantry() {
  local place='' word isValue='' files=''
  local -a verbs options valued
  _gantry_words ''
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n $isValue ]]; then isValue=''; continue; fi
    case "$word" in
      --) _files; return ;;
      --*=*) ;;
      -*) if (( \${valued[(Ie)$word]} )); then isValue=yes; fi ;;
      *) if _gantry_words "\${place:+$place }$word"; then place="\${place:+$place }$word"; fi ;;
    esac
  done
  if [[ -n $isValue ]]; then _files; return; fi
  _gantry_words "$place"
  if [[ $PREFIX == -* ]]; then _describe -o option options; return; fi
  (( \${#verbs} )) && _describe command verbs
  [[ -n $files ]] && _files
  return 0
}
if [[ "\${funcstack[1]}" == _gantry ]]; then _gantry "$@"; else compdef _gantry gantry; fi
`;
}
