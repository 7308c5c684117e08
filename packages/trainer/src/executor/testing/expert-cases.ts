/** Examples of what carries tokens to experts and back. */
import { at, columns, sum, table, type OperatorCases } from './operator-case.ts';

/** Four tokens, two choices each of three experts; six places, the number 6 (or token 4, choice 8) for none. */
const chosen = [0, 2, 1, 0, 2, 1, 0, 1];
const places = [0, 4, 2, 1, 5, 6, 6, 3];
const tokenAt = [0, 1, 1, 3, 0, 2];
const choiceAt = [0, 3, 2, 7, 1, 4];

export const expertCases: OperatorCases<'dispatch' | 'combine' | 'gates' | 'balance'> = {
  dispatch: {
    attributes: {},
    shapes: [[4, columns], [6], [4, 2]],
    output: [6, columns],
    given: { 1: tokenAt, 2: places },
    define: ([x]) =>
      table(6 * columns, (index) => {
        const token = tokenAt[Math.floor(index / columns)] as number;
        return token === 4 ? 0 : at(x, token * columns + (index % columns));
      }),
  },
  combine: {
    attributes: {},
    shapes: [[6, columns], [4, 2], [4, 2], [6], [6]],
    output: [4, columns],
    given: { 2: places, 3: tokenAt, 4: choiceAt },
    define: ([y, weight]) =>
      table(4 * columns, (index) => {
        const token = Math.floor(index / columns);
        return sum(2, (choice) => {
          const place = places[token * 2 + choice] as number;
          return place === 6
            ? 0
            : at(weight, token * 2 + choice) * at(y, place * columns + (index % columns));
        });
      }),
  },
  gates: {
    attributes: {},
    shapes: [
      [4, 3],
      [4, 2],
    ],
    output: [4, 2],
    given: { 1: chosen },
    define: ([logits]) =>
      table(8, (index) => {
        const token = Math.floor(index / 2);
        const of = (choice: number): number =>
          Math.exp(at(logits, token * 3 + at(chosen, token * 2 + choice)));
        return of(index % 2) / (of(0) + of(1));
      }),
  },
  balance: {
    attributes: { sequences: 2, factor: 0.7 },
    shapes: [[4, 3], [4, 2], [4]],
    output: [4, 3],
    given: { 1: chosen },
    fixed: [2],
    define: ([logits]) => [...(logits ?? [])],
    // For each sequence of two tokens, its weight · factor · E · Σ f · P.
    also: ([logits, , weights]) =>
      sum(2, (sequence) => {
        const tokens = [2 * sequence, 2 * sequence + 1];
        const weight = tokens.reduce((total, token) => total + at(weights, token), 0);
        return sum(3, (expert) => {
          const got = tokens.flatMap((token) => [0, 1].map((choice) => at(chosen, token * 2 + choice)));
          const share = got.filter((one) => one === expert).length / 4;
          const mean = tokens.reduce((total, token) => {
            const all = sum(3, (other) => Math.exp(at(logits, token * 3 + other)));
            return total + Math.exp(at(logits, token * 3 + expert)) / all / 2;
          }, 0);
          return weight * 0.7 * 3 * share * mean;
        });
      }),
  },
};
