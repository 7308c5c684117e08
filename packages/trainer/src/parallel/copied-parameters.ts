/**
 * Parameters that several ranks have all of, each with its part of the gradient: norms and biases on tensor ranks, a
 * tied embedding on the first and the last stage.
 */
import type { ModelShard } from './model-shard.ts';
import type { StageBuffer } from './stage-buffer.ts';

/** Each copy gets the sum of all. */
export async function sumOverCopies(shard: ModelShard, buffer: StageBuffer): Promise<void> {
  const { groups, layout, spans } = shard;
  if (groups.tensor.size > 1) await sumOverTensor(shard, buffer);
  if (!layout.sharesEmbedding) return;
  const [span] = spans.filter(({ unit }) => unit.kind === 'embedding');
  if (span !== undefined) await groups.embedding.allReduceSum(buffer.view(span));
}

/** The way back: of sums over data-parallel ranks and copies, each gets an equal part. */
export function spreadOverCopies(
  { grid: { data, tensor }, layout }: ModelShard,
  sums: Float32Array,
  into: Float32Array,
): void {
  for (const { kind, parameters } of layout.units)
    for (const { offset, length, isSummedOverTensor } of parameters) {
      const isShared = kind === 'embedding' && layout.sharesEmbedding;
      const copies = data * (isSummedOverTensor ? tensor : 1) * (isShared ? 2 : 1);
      for (let at = offset; at < offset + length; at += 1) into[at] = (sums[at] as number) / copies;
    }
}

/** All of a stage's small pieces in one sum. */
async function sumOverTensor(shard: ModelShard, buffer: StageBuffer): Promise<void> {
  const pieces: Float32Array[] = [];
  shard.eachOwnPiece(({ parameter, view }) => {
    if (parameter.isSummedOverTensor) pieces.push(view(buffer));
  });
  const together = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    together.set(piece, at);
    at += piece.length;
  }
  await shard.groups.tensor.allReduceSum(together);
  at = 0;
  for (const piece of pieces) {
    piece.set(together.subarray(at, at + piece.length));
    at += piece.length;
  }
}
