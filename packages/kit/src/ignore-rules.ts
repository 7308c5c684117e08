/**
 * Which files to leave out, as gitignore(5) writes it: `#` comments, `!` takes back, a trailing `/` means folders
 * only, a slash inside anchors to the folder of the rules, `*`, `?`, `[…]` and `**`. The last rule that fits decides.
 */
export interface IgnoreRules {
  /** `path` is relative to the folder of the rules, with slashes. A folder that is ignored need not be entered. */
  ignores(path: string, isFolder: boolean): boolean;
}

interface Rule {
  readonly pattern: RegExp;
  readonly isNegated: boolean;
  readonly isFolderOnly: boolean;
}

export function parseIgnoreRules(text: string): IgnoreRules {
  const rules = text.split(/\r?\n/).flatMap((line) => parseRule(line) ?? []);
  return {
    ignores: (path, isFolder) =>
      rules.findLast(({ pattern, isFolderOnly }) => (isFolder || !isFolderOnly) && pattern.test(path))
        ?.isNegated === false,
  };
}

function parseRule(line: string): Rule | undefined {
  // Spaces at the end count only behind a backslash.
  let glob = line.replace(/(?<!\\)\s+$/, '');
  if (glob === '' || glob.startsWith('#')) return undefined;
  const isNegated = glob.startsWith('!');
  if (isNegated) glob = glob.slice(1);
  const isFolderOnly = glob.endsWith('/');
  if (isFolderOnly) glob = glob.slice(0, -1);
  const isAnchored = glob.includes('/');
  const body = toPattern(glob.replace(/^\//, ''));
  return { pattern: new RegExp(`^${isAnchored ? '' : '(?:.*/)?'}${body}$`, 'u'), isNegated, isFolderOnly };
}

function toPattern(glob: string): string {
  return glob.replaceAll(
    /\\(.)|(^|\/)\*\*\/|\/\*\*$|\*+|\?|\[(!?)([^\]]+)\]|[.+^${}()|[\]\\/-]/gu,
    (
      found,
      escaped: string | undefined,
      before: string | undefined,
      not: string,
      set: string | undefined,
    ) => {
      if (escaped !== undefined) return escapeText(escaped);
      if (before !== undefined) return `${before}(?:.*/)?`;
      if (found === '/**') return '/.*';
      if (found.startsWith('*')) return '[^/]*';
      if (found === '?') return '[^/]';
      if (set !== undefined) return `[${not === '!' ? '^/' : ''}${set.replaceAll(/[\\\][^]/g, '\\$&')}]`;
      return found === '/' ? '/' : escapeText(found);
    },
  );
}

const escapeText = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
