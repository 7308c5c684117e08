/**
 * What tells running text from its waste: the document rules of Gopher (Rae et al. 2021, Table A1) and the first of
 * its repetition rules. A table, so that each rule has its measure, its bounds and its name in the report.
 */
export interface QualityBounds {
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
}

interface TextFacts {
  /** Parts between white space. */
  readonly words: readonly string[];
  readonly lines: readonly string[];
  readonly text: string;
}

interface QualityRule extends QualityBounds {
  readonly measure: (facts: TextFacts) => number;
}

const stopWords = new Set(['the', 'be', 'to', 'of', 'and', 'that', 'have', 'with']);

const share = <Item>(items: readonly Item[], test: (item: Item) => boolean): number =>
  items.length === 0 ? 0 : items.filter(test).length / items.length;

export const qualityRules = {
  words: { minimum: 50, maximum: 100_000, measure: ({ words }) => words.length },
  meanWordLength: {
    minimum: 3,
    maximum: 10,
    measure: ({ words }) => words.reduce((sum, word) => sum + word.length, 0) / Math.max(1, words.length),
  },
  /** Hashes and ellipses a word. */
  symbolsPerWord: {
    maximum: 0.1,
    measure: ({ text, words }) => (text.match(/#|\.\.\.|…/g)?.length ?? 0) / Math.max(1, words.length),
  },
  bulletLines: { maximum: 0.9, measure: ({ lines }) => share(lines, (line) => /^\s*[-*•‣]/.test(line)) },
  ellipsisLines: {
    maximum: 0.3,
    measure: ({ lines }) => share(lines, (line) => /(?:\.\.\.|…)\s*$/.test(line)),
  },
  alphabeticWords: {
    minimum: 0.8,
    measure: ({ words }) => share(words, (word) => /\p{L}/u.test(word)),
  },
  /** Different ones of the eight commonest English words; set `minimum: 0` for other languages. */
  stopWords: {
    minimum: 2,
    measure: ({ words }) =>
      new Set(words.map((word) => word.toLowerCase()).filter((word) => stopWords.has(word))).size,
  },
  repeatedLines: {
    maximum: 0.3,
    measure: ({ lines }) => (lines.length === 0 ? 0 : 1 - new Set(lines).size / lines.length),
  },
} as const satisfies Readonly<Record<string, QualityRule>>;

export type QualityRuleName = keyof typeof qualityRules;

export interface QualityFailure {
  readonly rule: QualityRuleName;
  readonly value: number;
}

/** The first rule that the text breaks; `bounds` replace those of the table. */
export function qualityFailure(
  text: string,
  bounds: Readonly<Partial<Record<QualityRuleName, QualityBounds>>> = {},
): QualityFailure | undefined {
  const facts: TextFacts = {
    text,
    words: text.split(/\s+/).filter((word) => word !== ''),
    lines: text.split('\n').filter((line) => line.trim() !== ''),
  };
  for (const [name, rule] of Object.entries(qualityRules) as [QualityRuleName, QualityRule][]) {
    const { minimum, maximum } = { ...rule, ...bounds[name] };
    const value = rule.measure(facts);
    if ((minimum !== undefined && value < minimum) || (maximum !== undefined && value > maximum))
      return { rule: name, value };
  }
  return undefined;
}
