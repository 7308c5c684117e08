import { RuleError } from './rule-error.ts';

export type Token =
  | { kind: 'number'; value: number; text: string; column: number }
  | { kind: 'text' | 'word' | 'symbol' | 'end'; text: string; column: number };

const LONGEST = 2000;
const PATTERN =
  /\s*(?:(?<number>\d+(?:\.\d+)?)(?<unit>[smhd%](?![\w]))?|"(?<text>[^"\n]*)"|(?<word>[A-Za-z_]\w*)|(?<symbol>==|!=|<=|>=|[<>+\-*/()[\],]))/uy;
/** Durations are seconds, `%` a hundredth. */
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, '%': 0.01 };

export function tokenize(text: string): Token[] {
  if (text.length > LONGEST)
    throw new RuleError(
      LONGEST + 1,
      `it is longer than ${LONGEST} characters`,
      'Split it into several rules.',
    );
  const tokens: Token[] = [];
  let at = 0;
  const end = text.trimEnd().length;
  while (at < end) {
    PATTERN.lastIndex = at;
    const match = PATTERN.exec(text);
    const column = at + 1 + (/^\s*/u.exec(text.slice(at))?.[0].length ?? 0);
    if (match?.groups === undefined)
      throw new RuleError(
        column,
        `"${text[column - 1]}" means nothing here`,
        'Texts stand in double quotes.',
      );
    const { number, unit, text: quoted, word, symbol } = match.groups;
    if (number !== undefined)
      tokens.push({
        kind: 'number',
        value: Number(number) * (UNITS[unit ?? 's'] ?? 1),
        text: number,
        column,
      });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted, column });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, column });
    else tokens.push({ kind: 'symbol', text: symbol!, column });
    at = PATTERN.lastIndex;
  }
  return [...tokens, { kind: 'end', text: '', column: end + 1 }];
}
