/**
 * Patterns of paths, within what is matched in no time whatever the names are: a pattern is turned into a regular
 * expression that tries its wild cards one against the other, and braces into every combination of their words.
 */
import { z } from 'zod';

/** `*` within one part of a path. */
const mostStars = 2;
/** Parts that are `**`. */
const mostDepths = 2;
/** Patterns that the braces stand for. */
const mostAlternatives = 100;

const extended = /[?*+@!]\(/;
const braces = /\{([^{}]*)\}/g;

/** Undefined: it may be used. */
export function globProblem(pattern: string): string | undefined {
  if (extended.test(pattern)) return 'a group in brackets is not understood; name two patterns instead';
  const inner = [...pattern.matchAll(braces)].map(([, words = '']) => words);
  if (/[{}]/.test(pattern.replaceAll(braces, '')) || inner.some((words) => words.includes('..')))
    return 'braces hold words with commas between them, no braces and no ranges';
  const alternatives = inner.reduce((product, words) => product * words.split(',').length, 1);
  if (alternatives > mostAlternatives)
    return `its braces stand for more than ${mostAlternatives} patterns; name fewer`;
  const parts = pattern.split('/');
  if (parts.filter((part) => part === '**').length > mostDepths)
    return `it has more than ${mostDepths} parts that are "**"`;
  if (parts.some((part) => part !== '**' && (part.match(/\*/g)?.length ?? 0) > mostStars))
    return `a part of it has more than ${mostStars} "*"`;
  return undefined;
}

export const globPattern = (maxChars: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(maxChars)
    .superRefine((pattern, context) => {
      const message = globProblem(pattern);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    });
