import type { CommandNode } from './command-tree.ts';

/** Needs nothing but bash 3.2: macOS ships that one. */
export function bashCompletion(tree: readonly CommandNode[]): string {
  const values = tree.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ long, choices }) => `    '${path}|${long}') values='${choices.join(' ')}'; return 0 ;;`),
  );
  const words = tree.map(
    ({ path, verbs, options, takesFiles }) =>
      `    '${path}') verbs='${verbs.map(({ name }) => name).join(' ')}'; options='${options.map(({ long }) => long).join(' ')}'; files='${takesFiles ? 'yes' : ''}' ;;`,
  );
  return `# gantry completion for bash: eval "$(gantry completion bash)"
_gantry_words() {
  case "$1" in
${words.join('\n')}
    *) return 1 ;;
  esac
}
_gantry_values() {
  values=''
  case "$1|$2" in
${[...new Set(values)].join('\n')}
  esac
  return 1
}
_gantry() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' word at verbs options files values isValue=''
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
    if [ -n "$isValue" ]; then isValue=''; continue; fi
    case "$word" in
      --) COMPREPLY=($(compgen -f -- "$current")); return ;;
      --*=*) ;;
      --*) if _gantry_values "$path" "$word"; then isValue=yes; fi ;;
      -*) ;;
      *) if _gantry_words "\${path:+$path }$word"; then path="\${path:+$path }$word"; fi ;;
    esac
  done
  if [ -n "$isValue" ]; then
    if [ -n "$values" ]; then COMPREPLY=($(compgen -W "$values" -- "$current"));
    else COMPREPLY=($(compgen -f -- "$current")); fi
    return
  fi
  _gantry_words "$path"
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *)
      COMPREPLY=($(compgen -W "$verbs" -- "$current"))
      if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$current")); fi
      ;;
  esac
}
complete -o filenames -F _gantry gantry ./gantry
`;
}
