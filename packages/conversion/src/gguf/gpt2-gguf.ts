/** GPT-2 in a GGUF: the same tensors under other names, matrices [out, in] where Hugging Face has them [in, out]. */
import { FormatError, gpt2GgufMetadata } from '@gantry/formats';
import type { Json } from '../decoder/config-count.ts';
import { gpt2Prefix, gpt2Sizes } from '../decoder/gpt2-family.ts';
import type { WeightSource } from '../decoder/weight-source.ts';
import type { GgufDecoder } from './gguf-decoder.ts';
import type { GgufPlace } from './gguf-place.ts';

export function gpt2Decoder(json: Json, source: Pick<WeightSource, 'has'>): GgufDecoder {
  const sizes = gpt2Sizes(json);
  if (sizes.activation !== 'gelu-tanh')
    throw new FormatError(
      'format_unsupported',
      `config.json: activation_function is ${JSON.stringify(json['activation_function'])}.`,
      'llama.cpp computes gelu_new in a GPT-2, and nothing else.',
    );
  const { width, hidden, vocabularySize, contextLength, layers } = sizes;
  const prefix = gpt2Prefix(source);
  const same = (name: string, ggufName: string, shape: readonly number[]): GgufPlace => ({
    ggufName,
    shape,
    parts: [{ name, shape }],
  });
  const both = (name: string, ggufName: string): GgufPlace[] =>
    ['weight', 'bias'].map((kind) => same(`${name}.${kind}`, `${ggufName}.${kind}`, [width]));
  const linear = (name: string, ggufName: string, from: number, to: number): GgufPlace[] => [
    {
      ggufName: `${ggufName}.weight`,
      shape: [to, from],
      parts: [{ name: `${name}.weight`, shape: [from, to] }],
      order: { kind: 'turned' },
    },
    same(`${name}.bias`, `${ggufName}.bias`, [to]),
  ];
  return {
    places: [
      same(`${prefix}wte.weight`, 'token_embd.weight', [vocabularySize, width]),
      { ...same(`${prefix}wpe.weight`, 'position_embd.weight', [contextLength, width]), isPlain: true },
      ...Array.from({ length: layers }, (_, layer) => {
        const [theirs, block] = [`${prefix}h.${layer}`, `blk.${layer}`];
        return [
          ...both(`${theirs}.ln_1`, `${block}.attn_norm`),
          ...linear(`${theirs}.attn.c_attn`, `${block}.attn_qkv`, width, 3 * width),
          ...linear(`${theirs}.attn.c_proj`, `${block}.attn_output`, width, width),
          ...both(`${theirs}.ln_2`, `${block}.ffn_norm`),
          ...linear(`${theirs}.mlp.c_fc`, `${block}.ffn_up`, width, hidden),
          ...linear(`${theirs}.mlp.c_proj`, `${block}.ffn_down`, hidden, width),
        ];
      }).flat(),
      ...both(`${prefix}ln_f`, 'output_norm'),
      { ...same('lm_head.weight', 'output.weight', [vocabularySize, width]), isOptional: true },
    ],
    metadata: (vocabulary, options) => {
      const id = (name: string): number => (typeof json[name] === 'number' ? json[name] : 0);
      const ids = { bosId: id('bos_token_id'), eosId: id('eos_token_id') };
      return gpt2GgufMetadata({ ...sizes, ...ids }, vocabulary, options);
    },
  };
}
