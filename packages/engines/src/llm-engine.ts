/**
 * What a language-model backend promises: requests may join and leave at any time, their tokens come in
 * order, an aborted request computes nothing after the pass it is in, and `generate` ends with one `end`.
 */
import type { Quantiles } from './recent-quantiles.ts';

/**
 * In llama.cpp's order: bias, penalties for what was answered already, then of the likeliest `topK` the fewest that hold
 * `topP`, of these the ones at least `minP` as likely as the likeliest, and at last the temperature.
 */
export interface SamplingOptions {
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  readonly topK?: number;
  readonly topP: number;
  readonly minP?: number;
  readonly seed: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  /** Added to the logits of these tokens. */
  readonly logitBias?: ReadonlyMap<number, number>;
}

export interface GenerateRequest {
  readonly prompt: readonly number[];
  /** 0 computes the prompt only. */
  readonly maxTokens: number;
  readonly sampling: SamplingOptions;
  /** How many alternatives to report for each token; undefined reports none. */
  readonly topLogprobs?: number;
  /** The answer must be JSON of this schema; `true` for any JSON object. */
  readonly jsonSchema?: Readonly<Record<string, unknown>> | true;
  readonly ignoreEnd?: boolean;
  /** Report the log probability of each prompt token, with `topLogprobs` alternatives. */
  readonly hasPromptLogprobs?: boolean;
  readonly priority?: number;
  /** Prefixes are shared within a scope only. */
  readonly scope?: string;
  /** The name of a LoRA adapter that the engine has; absent: the model as it is. */
  readonly adapter?: string;
  readonly signal?: AbortSignal;
}

export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

export interface TokenScore {
  readonly token: number;
  /** Null for the first token of a prompt: nothing stands before it. */
  readonly logprob: number | null;
  readonly top: readonly TokenLogprob[];
}

export type GenerateEvent =
  /** Once, before the first token, when asked for. */
  | { readonly type: 'prompt'; readonly scores: readonly TokenScore[] }
  | {
      readonly type: 'token';
      readonly token: number;
      /** Prompt tokens that were reused; with the first token. */
      readonly cachedTokens?: number;
      readonly logprob?: number;
      readonly top?: readonly TokenLogprob[];
    }
  | {
      readonly type: 'end';
      readonly reason: 'stop' | 'length' | 'cancelled';
      readonly cachedTokens: number;
    };

export interface EngineStats {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly requests: number;
  readonly cancelled: number;
  readonly steps: number;
  /** Tokens guessed ahead, and how many of them were what the model said. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  readonly running: number;
  readonly queued: number;
  readonly slots: number;
  readonly kvTokensUsed: number;
  readonly kvTokensTotal: number;
  /** Of prefixes in a slower tier. */
  readonly kvTokensSpilled?: number;
  /** Sequences that had to give their memory to another and went on later. */
  readonly preemptions?: number;
  /** From the request's arrival to its first token. */
  readonly timeToFirstTokenMs: Quantiles;
  /** Between two tokens of one answer. */
  readonly interTokenMs: Quantiles;
}

export interface LlmEngine extends AsyncDisposable {
  readonly contextTokens: number;
  readonly vocabularySize: number;
  /** Characters that one token stands for at most; undefined: no such number is known. */
  readonly longestToken?: number | undefined;
  /** Put before a text that begins a sequence; undefined: the model expects nothing there. */
  readonly bosToken: number | undefined;
  readonly chatTemplate: string | undefined;
  /** Names of the adapters that a request may ask for. */
  readonly adapters: readonly string[];
  /** Names that become special tokens where `tokenize` is asked for them. */
  readonly specialTexts: readonly string[];
  /**
   * `hasSpecials`: names of special tokens in the text become those tokens (templates only, never user text).
   * `isContinued`: other text comes before it. `bosToken` is left to the caller.
   */
  tokenize(text: string, hasSpecials?: boolean, isContinued?: boolean): number[];
  /** `isContinued`: other tokens come before these, so that a space at the beginning is one that was meant. */
  detokenize(tokens: readonly number[], isContinued?: boolean): string;
  /** `tools`: as they came; a template that does not know them leaves them out. */
  renderChat(messages: readonly ChatMessage[], tools?: readonly unknown[]): Promise<string>;
  generate(request: GenerateRequest): AsyncIterable<GenerateEvent>;
  embed(tokens: readonly number[]): Promise<readonly number[]>;
  stats(): EngineStats;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  /** As they came: what an assistant called, and which call a tool answers. */
  readonly tool_calls?: readonly unknown[];
  readonly tool_call_id?: string;
  readonly name?: string;
}
