/**
 * What must not lie in a payload log: fields by name, and in every text what looks like an address, a card, an
 * account, a telephone number or a key. Better too much than too little: a log is no archive.
 */

const hidden = '[redacted]';

const patterns: readonly (readonly [RegExp, (match: string) => boolean])[] = [
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/g, () => true],
  // Keys of the field: OpenAI, Gantry, GitHub, AWS, Slack, JSON web tokens, and whatever follows "Bearer".
  [/\b(?:sk|pk|gk|gi|ghp|gho|ghs|xox[abp])[-_][\w-]{8,}/g, () => true],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, () => true],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, () => true],
  [/\bBearer\s+\S+/gi, () => true],
  [/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g, () => true],
  [/\b\d(?:[ -]?\d){12,18}\b/g, isCard],
  [/(?<![\w.])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){1,4}\b/g, () => true],
];

export function redactText(text: string): string {
  let out = text;
  for (const [pattern, isIt] of patterns)
    out = out.replaceAll(pattern, (match) => (isIt(match) ? hidden : match));
  return out;
}

/** A copy; `fields` are names at any depth, without regard to case. */
export function redact(value: unknown, fields: ReadonlySet<string>): unknown {
  if (typeof value === 'string') return redactText(value);
  if (Array.isArray(value)) return value.map((each) => redact(each, fields));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      fields.has(name.toLowerCase()) ? hidden : redact(each, fields),
    ]),
  );
}

/** The check digit of payment cards (Luhn, US patent 2950048). */
function isCard(match: string): boolean {
  const digits = match.replaceAll(/\D/g, '');
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]);
    sum += at % 2 === 0 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
  }
  return sum % 10 === 0;
}
