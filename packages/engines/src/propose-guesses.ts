/** Asks the drafter what may come next of every sequence that generates; the next plan computes it along. */
import type { DraftLength, StepScheduler } from '@gantry/serving/steps';
import type { DraftWanted, Speculation } from './llamacpp/drafter.ts';
import type { LiveAnswers } from './live-answers.ts';

export async function proposeGuesses<State extends { readonly draftLength: DraftLength; dispose(): void }>({
  speculation,
  scheduler,
  answers,
}: {
  readonly speculation: Speculation | undefined;
  readonly scheduler: StepScheduler;
  readonly answers: LiveAnswers<State>;
}): Promise<void> {
  if (speculation === undefined) return;
  const wanted: DraftWanted[] = [];
  for (const { id, tokens, room } of scheduler.generating()) {
    const answer = answers.get(id);
    if (answer === undefined) continue;
    const left = answer.request.maxTokens - answer.generated.length - 1;
    const most = Math.min(room, left, answer.state.draftLength.length);
    if (most > 0) wanted.push({ id, tokens, most });
  }
  if (wanted.length === 0) return;
  for (const [id, draft] of await speculation.drafter.propose(wanted)) scheduler.propose(id, draft);
}
