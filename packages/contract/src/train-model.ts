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
  /** What a token sees: all before it in its sequence, or those of its own document only. */
  attention: z.enum(['sequence', 'document']).default('sequence'),
  /** Each layer's MLP becomes so many, of which `top` see a token. */
  experts: z
    .strictObject({
      count: z.number().int().min(2).max(256),
      top: z.number().int().min(1).max(16).default(2),
      /** While it learns, an expert takes at most this many times its fair share of a sequence. */
      capacityFactor: z.number().min(0.1).max(256).default(1.25),
      /** Factor of the load-balancing loss. */
      balance: z.number().min(0).max(10).default(0.01),
    })
    .optional(),
});
