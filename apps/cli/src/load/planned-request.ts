/** What a load run sends: when, how long a prompt, how long an answer, and which beginnings requests share. */
import { createRandom } from '@gantry/kit';

export interface PlannedRequest {
  /** Since the start; 0 in a closed loop, where the client before decides. */
  readonly atMs: number;
  readonly promptTokens: number;
  readonly answerTokens: number;
  /** Equal ids at the same place mean equal text: prefixes that an engine may reuse. */
  readonly blocks: readonly number[];
}

export interface SyntheticLoad {
  readonly requests: number;
  /** Per second, Poisson; absent: a closed loop. */
  readonly rate?: number | undefined;
  readonly promptTokens: number;
  readonly answerTokens: number;
  readonly seed: number;
}

export function syntheticLoad({
  requests,
  rate,
  promptTokens,
  answerTokens,
  seed,
}: SyntheticLoad): PlannedRequest[] {
  const random = createRandom(seed);
  let atMs = 0;
  return Array.from({ length: requests }, (_, index) => {
    if (rate !== undefined) atMs += (-Math.log(1 - random.next()) / rate) * 1_000;
    return { atMs, promptTokens, answerTokens, blocks: [index] };
  });
}

const words = 'the model reads a prompt and answers one token after another until it has said enough'.split(
  ' ',
);

/** Text of about so many tokens: a stretch per block, the same for the same block. */
export function promptOf({ promptTokens, blocks }: PlannedRequest): string {
  const each = Math.max(1, Math.ceil(promptTokens / Math.max(1, blocks.length)));
  const text: string[] = [];
  for (const block of blocks) {
    const random = createRandom(block + 1);
    text.push(`#${block}`);
    for (let word = 1; word < each && text.length < promptTokens; word++) text.push(random.pick(words));
    if (text.length >= promptTokens) break;
  }
  return text.join(' ');
}
