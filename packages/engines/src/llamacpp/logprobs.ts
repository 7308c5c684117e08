/** The addon's probabilities as log probabilities of the token and the likeliest others. */
import type { TokenDetails } from '../live-answers.ts';

/** A token of probability zero in single precision; JSON knows no infinity. */
const leastLogprob = -9_999;

/** `probabilities`: token, value, token, value… from the likeliest. Nothing when no `count` is asked for. */
export function toLogprobs(
  token: number,
  probabilities: readonly number[] | undefined,
  count: number | undefined,
): TokenDetails {
  if (probabilities === undefined || count === undefined) return {};
  const top: { token: number; logprob: number }[] = [];
  let logprob = -Infinity;
  for (let at = 0; at + 1 < probabilities.length; at += 2) {
    const value = Math.log(probabilities[at + 1] as number);
    if (probabilities[at] === token) logprob = value;
    if (top.length < count) top.push({ token: probabilities[at] as number, logprob: value });
    else if (logprob !== -Infinity) break;
  }
  return { logprob: Math.max(logprob, leastLogprob), top };
}
