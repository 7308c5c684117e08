/**
 * The Llama form and its relatives in a GGUF. To llama.cpp Mistral and Mixtral are llamas, whose rows for rotation lie
 * pairwise; Qwen2 has an architecture of its own, whose rows lie as Hugging Face has them.
 */
import { llamaGgufMetadata, llamaTensors, type GgufValue } from '@gantry/formats';
import type { Json } from '../decoder/config-count.ts';
import { type Experts, llamaSizes, type LlamaFamily } from '../decoder/llama-family.ts';
import type { WeightSource } from '../decoder/weight-source.ts';
import type { GgufDecoder } from './gguf-decoder.ts';
import type { GgufPlace } from './gguf-place.ts';

/** Mixtral's name of a matrix of an expert, llama.cpp's of that of all; whether it is [width, hidden]. */
const expertMatrices = [
  ['w1', 'ffn_gate_exps', false],
  ['w2', 'ffn_down_exps', true],
  ['w3', 'ffn_up_exps', false],
] as const;

export function llamaDecoder(
  family: LlamaFamily,
  json: Json,
  source: Pick<WeightSource, 'has'>,
): GgufDecoder {
  const { config, experts } = llamaSizes(family, json, source.has('lm_head.weight'));
  const isPaired = family !== 'qwen2';
  const places = llamaTensors(config)
    .filter(({ ggufName }) => experts === undefined || !/\.ffn_(gate|up|down)\./.test(ggufName))
    .flatMap(({ huggingFaceName: name, ggufName, shape, rotaryHeads }): GgufPlace[] => {
      const order = rotaryHeads !== undefined && isPaired ? rotary(rotaryHeads) : {};
      const weight = { ggufName, shape, parts: [{ name, shape }], ...order };
      const [rows = 0] = shape;
      // Norms, embedding and head have none.
      if (!name.includes('_proj.')) return [weight];
      const bias = { name: name.replace(/weight$/, 'bias'), shape: [rows] };
      const place = { ggufName: ggufName.replace(/weight$/, 'bias'), shape: [rows], parts: [bias] };
      return [weight, { ...place, ...order, isOptional: true }];
    });
  const ofExperts =
    experts === undefined
      ? []
      : Array.from({ length: config.layers }, (_, layer) => expertPlaces(layer, experts, config)).flat();
  return {
    places: [...places, ...ofExperts],
    metadata: (vocabulary, options) =>
      new Map([
        ...renamed(llamaGgufMetadata(config, vocabulary, options), isPaired ? 'llama' : 'qwen2'),
        ...(experts === undefined ? [] : expertCounts(experts)),
      ]),
  };
}

const rotary = (heads: number) => ({ order: { kind: 'rotary', heads } }) as const;

function expertPlaces(
  layer: number,
  { count }: Experts,
  { width, hidden }: { readonly width: number; readonly hidden: number },
): GgufPlace[] {
  const [place, block] = [`model.layers.${layer}.block_sparse_moe`, `blk.${layer}`];
  const router = { name: `${place}.gate.weight`, shape: [count, width] };
  return [
    { ggufName: `${block}.ffn_gate_inp.weight`, shape: router.shape, parts: [router], isPlain: true },
    ...expertMatrices.map(([from, to, isNarrowing]): GgufPlace => {
      const shape = isNarrowing ? [width, hidden] : [hidden, width];
      return {
        ggufName: `${block}.${to}.weight`,
        shape: [count, ...shape],
        parts: Array.from({ length: count }, (_, expert) => ({
          name: `${place}.experts.${expert}.${from}.weight`,
          shape,
        })),
      };
    }),
  ];
}

const expertCounts = ({ count, top }: Experts): readonly (readonly [string, GgufValue])[] => [
  ['llama.expert_count', { type: 'u32', value: count }],
  ['llama.expert_used_count', { type: 'u32', value: top }],
];

/** Another architecture with the same keys. */
const renamed = (
  metadata: ReadonlyMap<string, GgufValue>,
  architecture: 'llama' | 'qwen2',
): readonly (readonly [string, GgufValue])[] =>
  [...metadata].map(([key, value]): readonly [string, GgufValue] =>
    key === 'general.architecture'
      ? [key, { type: 'string', value: architecture }]
      : [key.replace(/^llama\./, `${architecture}.`), value],
  );
