/** Published shapes that can be planned for by name; `config.json` files are read by model-from-config.ts. */
import { type ModelShape, gptModel, llamaModel } from './model-shape.ts';

export const namedModels: readonly ModelShape[] = [
  gptModel('gpt2-xl', [48, 1_600, 25], { vocabulary: 50_257, positions: 1_024 }),
  gptModel('megatron-22b', [48, 6_144, 64]),
  gptModel('gpt3-175b', [96, 12_288, 96]),
  gptModel('turing-530b', [105, 20_480, 128]),
  gptModel('megatron-1t', [128, 25_600, 160]),
  llamaModel('llama-2-7b', [32, 4_096, 32, 32, 11_008, 32_000]),
  llamaModel('llama-2-13b', [40, 5_120, 40, 40, 13_824, 32_000]),
  llamaModel('llama-2-70b', [80, 8_192, 64, 8, 28_672, 32_000]),
  llamaModel('llama-3-8b', [32, 4_096, 32, 8, 14_336, 128_256]),
  llamaModel('llama-3-70b', [80, 8_192, 64, 8, 28_672, 128_256]),
  llamaModel('llama-3-405b', [126, 16_384, 128, 8, 53_248, 128_256]),
  llamaModel('mistral-7b', [32, 4_096, 32, 8, 14_336, 32_000]),
  llamaModel('mixtral-8x7b', [32, 4_096, 32, 8, 14_336, 32_000], { experts: { count: 8, top: 2 } }),
  llamaModel('mixtral-8x22b', [56, 6_144, 48, 8, 16_384, 32_768], { experts: { count: 8, top: 2 } }),
  llamaModel('qwen-2.5-7b', [28, 3_584, 28, 4, 18_944, 152_064]),
  llamaModel('qwen-2.5-72b', [80, 8_192, 64, 8, 29_568, 152_064]),
];
