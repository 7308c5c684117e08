/** The OpenAI client as its users have it installed: two major versions, for `describe.each`. */
import OpenAI from 'openai';
import OpenAI5 from 'openai-5';

/** Their calls that are tested here have the same shapes; only the classes are different ones. */
export const openaiMajors: readonly { readonly major: number; readonly Client: typeof OpenAI }[] = [
  { major: 5, Client: OpenAI5 as unknown as typeof OpenAI },
  { major: 6, Client: OpenAI },
];
