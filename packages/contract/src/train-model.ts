import { z } from 'zod';

/** What the model is made of. The family decides what is not said here. */
export const trainModelSchema = z.strictObject({
  /** llama: RMSNorm, rotary, SwiGLU. gpt: LayerNorm, learned positions, GELU, biases. */
  family: z.enum(['llama', 'gpt']).optional(),
  norm: z.enum(['rms', 'layer']).optional(),
  positions: z.enum(['rotary', 'learned', 'sinusoidal', 'alibi', 'relative']).optional(),
  activation: z.enum(['swiglu', 'gelu']).optional(),
  /** Of the linear layers. */
  biases: z.boolean().optional(),
  /** The output head shares the embedding's weights. */
  tied: z.boolean().optional(),
});
