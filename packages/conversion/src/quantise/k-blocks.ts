/**
 * ggml's "K" formats (ggml-org/ggml, `ggml-common.h`): 256 values share half-precision scales, and groups of 16 or 32
 * have scales of their own in a few bits of those. The same bytes as ggml's reference functions write.
 */
import { affineCodec } from './k-affine.ts';
import { symmetricCodec } from './k-symmetric.ts';

export const kCodecs = {
  Q2_K: affineCodec('Q2_K'),
  Q3_K: symmetricCodec('Q3_K'),
  Q4_K: affineCodec('Q4_K'),
  Q5_K: affineCodec('Q5_K'),
  Q6_K: symmetricCodec('Q6_K'),
} as const;
