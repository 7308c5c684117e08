/** Which engine scores a model's text. */
import { createLlmEngine, type LlmDecoder } from '../host/create-llm-engine.ts';
import type { TokenScore } from '../llm-engine.ts';
import { openOnnxScorer } from './onnx-scorer.ts';
import { alternatives, type ScorerSize, type TextScorer } from './text-scorer.ts';

export interface EvaluatedModel {
  readonly modelPath: string;
  readonly decoder: LlmDecoder | 'onnx';
}

export async function openScorer(model: EvaluatedModel, size: ScorerSize): Promise<TextScorer> {
  const { modelPath, decoder } = model;
  if (decoder === 'onnx') return openOnnxScorer(modelPath, size);
  const engine = await createLlmEngine({ modelPath, decoder, slots: 1, ...size });
  return {
    contextTokens: engine.contextTokens,
    bosToken: engine.bosToken,
    tokenize: (text) => engine.tokenize(text),
    score: async (prompt, mostScores) => {
      const scores: TokenScore[] = [];
      const sampling = { temperature: 0, topP: 1, seed: 1 };
      const topLogprobs = alternatives(engine.vocabularySize, prompt, mostScores);
      const request = { prompt, maxTokens: 0, sampling, topLogprobs, hasPromptLogprobs: true };
      for await (const event of engine.generate(request))
        if (event.type === 'prompt') scores.push(...event.scores);
      return scores;
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}
