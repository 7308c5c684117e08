/**
 * Chat for a model that learnt no chat: what was said, in order, one message a line, and the model goes on.
 * Role names are left out; such a model would only repeat them.
 */
import type { ChatMessage } from '../llm-engine.ts';

export function plainPrompt(messages: readonly ChatMessage[]): string {
  return messages
    .map(({ content }) => content)
    .filter((content) => content !== '')
    .join('\n');
}
