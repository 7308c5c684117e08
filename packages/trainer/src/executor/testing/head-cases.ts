/** Examples of heads apart and together, positions, and attention in all its forms. */
import { alibiSlopes, distanceBucket, elementsOf, type OperatorAttributes } from '@gantry/training/autodiff';
import {
  at,
  sum,
  table,
  type Numbers,
  type OperatorCase,
  type OperatorCases,
  type Shapes,
} from './operator-case.ts';

const [batch, heads, kvHeads, time, width] = [2, 4, 2, 8, 8] as const;
const headsShape = [batch, heads, time, width] as const;
const theta = 10_000;

/** Place of (b, h, t, w) in [batch · time, heads · width]. */
const flatPlace = (index: number): number => {
  const w = index % width;
  const t = Math.floor(index / width) % time;
  const h = Math.floor(index / (width * time)) % heads;
  const b = Math.floor(index / (width * time * heads));
  return (b * time + t) * heads * width + h * width + w;
};
const headElements = elementsOf(headsShape);
const headAttributes = { batch, heads, isOrdered: false };

type Attention = OperatorAttributes['attention'];
const usualAttention: Attention = {
  block: undefined,
  recomputeFrom: 1024,
  isCausal: true,
  slopes: undefined,
  maxDistance: 6,
};
const attentionShapes: Shapes = [headsShape, [batch, kvHeads, time, width], [batch, kvHeads, time, width]];
const buckets = 8;

function attend(
  [q, k, v, ranges]: readonly Numbers[],
  { isCausal, slopes, maxDistance }: Attention,
): Numbers {
  return table(headElements, (index) => {
    const w = index % width;
    const t = Math.floor(index / width) % time;
    const h = Math.floor(index / (width * time)) % heads;
    const b = Math.floor(index / (width * time * heads));
    const from = (b * kvHeads + Math.floor((h * kvHeads) / heads)) * time * width;
    const seen = isCausal ? t + 1 : time;
    const scores = table(seen, (key) => {
      const product = sum(width, (c) => at(q, index - w + c) * at(k, from + key * width + c));
      const range = distanceBucket(t - key, buckets, { isCausal, maxDistance });
      const learned = ranges === undefined ? 0 : at(ranges, range * heads + h);
      return Math.exp(product / Math.sqrt(width) - (slopes?.[h] ?? 0) * Math.abs(t - key) + learned);
    });
    const all = sum(seen, (key) => at(scores, key));
    return sum(seen, (key) => (at(scores, key) / all) * at(v, from + key * width + w));
  });
}

function attentionCase(changed: Partial<Attention>, hasRanges = false): OperatorCase<'attention'> {
  const attributes = { ...usualAttention, ...changed };
  return {
    attributes,
    shapes: hasRanges ? [...attentionShapes, [buckets, heads]] : attentionShapes,
    output: headsShape,
    define: (inputs) => attend(inputs, attributes),
  };
}

export const headCases: OperatorCases<'splitHeads' | 'mergeHeads' | 'rotary' | 'attention'> = {
  splitHeads: {
    attributes: headAttributes,
    shapes: [[batch * time, heads * width]],
    output: headsShape,
    define: ([x]) => table(headElements, (index) => at(x, flatPlace(index))),
  },
  mergeHeads: {
    attributes: headAttributes,
    shapes: [headsShape],
    output: [batch * time, heads * width],
    define: ([x]) => {
      const merged = table(headElements, () => 0);
      for (let index = 0; index < headElements; index += 1) merged[flatPlace(index)] = at(x, index);
      return merged;
    },
  },
  rotary: {
    attributes: { theta },
    shapes: [headsShape],
    output: headsShape,
    define: ([x]) =>
      table(headElements, (index) => {
        const w = index % width;
        const half = width / 2;
        const t = Math.floor(index / width) % time;
        const angle = t / theta ** ((w % half) / half);
        const other = w < half ? -at(x, index + half) : at(x, index - half);
        return at(x, index) * Math.cos(angle) + other * Math.sin(angle);
      }),
  },
  attention: {
    attributes: usualAttention,
    shapes: attentionShapes,
    output: headsShape,
    define: (inputs) => attend(inputs, usualAttention),
  },
};

const slopes = alibiSlopes(heads);
export const attentions: Readonly<Record<string, OperatorCase<'attention'>>> = {
  'attention in uneven blocks, weights made again': attentionCase({ block: 3, recomputeFrom: 1 }),
  'attention in uneven blocks, weights kept': attentionCase({ block: 3 }),
  'attention that sees all': attentionCase({ isCausal: false }),
  'attention that sees all, in blocks': attentionCase({ isCausal: false, block: 3, recomputeFrom: 1 }),
  'attention with slopes': attentionCase({ slopes, block: 3 }),
  'attention with slopes both ways': attentionCase({ slopes, isCausal: false }),
  'attention with ranges of distance': attentionCase({}, true),
  'attention with ranges of distance, in blocks': attentionCase({ block: 3, recomputeFrom: 1 }, true),
  'attention with ranges of distance both ways': attentionCase({ isCausal: false, block: 3 }, true),
};
