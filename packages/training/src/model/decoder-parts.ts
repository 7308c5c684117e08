/** The two halves of a decoder layer, each with its norm and residual; written once for whole and cut graphs. */
import type { LlamaConfig } from '@gantry/formats';
import { attentionBlocks, type Tape, type Value } from '../autodiff/index.ts';

type PartOf = (name: string) => Value;

export function norm(tape: Tape, config: LlamaConfig, x: Value, weight: Value): Value {
  return tape.apply('rmsNorm', [x, weight], { epsilon: config.normEpsilon });
}

/** x + attention(norm(x)). A tensor rank other than the first leaves out the x, so that a sum over ranks has it once. */
export function attentionPart(
  tape: Tape,
  config: LlamaConfig,
  batch: number,
  part: PartOf,
  x: Value,
  hasResidual = true,
): Value {
  const attended = attention(tape, config, batch, part, norm(tape, config, x, part('input_layernorm')));
  return hasResidual ? tape.apply('add', [x, attended], {}) : attended;
}

/** x + mlp(norm(x)); the residual as above. */
export function mlpPart(tape: Tape, config: LlamaConfig, part: PartOf, x: Value, hasResidual = true): Value {
  const inner = norm(tape, config, x, part('post_attention_layernorm'));
  const gate = tape.apply('linear', [inner, part('mlp.gate_proj')], {});
  const up = tape.apply('linear', [inner, part('mlp.up_proj')], {});
  const mixed = tape.apply('swiGlu', [gate, up], {});
  const out = tape.apply('linearTransposed', [mixed, part('mlp.down_proj')], {});
  return hasResidual ? tape.apply('add', [x, out], {}) : out;
}

function attention(tape: Tape, config: LlamaConfig, batch: number, part: PartOf, x: Value): Value {
  const isGrouped = config.heads !== config.kvHeads;
  const project = (name: string, heads: number): Value =>
    tape.apply('splitHeads', [tape.apply('linear', [x, part(name)], {})], { batch, heads, isGrouped });
  const rotated = (value: Value): Value => tape.apply('rotary', [value], { theta: config.ropeTheta });
  const q = rotated(project('self_attn.q_proj', config.heads));
  const k = rotated(project('self_attn.k_proj', config.kvHeads));
  const v = project('self_attn.v_proj', config.kvHeads);
  const merged = tape.apply(
    'mergeHeads',
    [tape.apply('attention', [q, k, v], attentionBlocks(q.shape[2] as number))],
    {
      batch,
      heads: config.heads,
      isGrouped,
    },
  );
  return tape.apply('linearTransposed', [merged, part('self_attn.o_proj')], {});
}
