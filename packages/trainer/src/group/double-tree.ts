/**
 * All-reduce over two binary trees (Sanders, Speck and Träff 2009), each for half of the elements: sums climb to the
 * root and come down again, in 2·log₂ n steps where a ring needs 2(n−1). Who is a leaf in one tree adds in the
 * other, so that all have about the same work. Every element is summed along one tree: all ranks hold the same bits.
 */
import type { Part, Wire } from './wire.ts';

interface Place {
  readonly parent: number | undefined;
  readonly children: readonly number[];
}

/** 1 MiB, as in a ring. */
const pieceElements = 1 << 18;

/** In the tree whose nodes in order are 0, 1, 2, …: a node's height is the number of zeros its number ends with. */
export function placeInTree(node: number, size: number): Place {
  const isRoot = node === 0;
  const top = 2 ** Math.ceil(Math.log2(size));
  const bit = isRoot ? top : node & -node;
  const children: number[] = [];
  if (!isRoot && bit > 1) children.push(node - bit / 2);
  for (let step = bit / 2; step >= 1; step /= 2) {
    // Where there are fewer nodes than the tree has room for, the next lower one takes the place.
    if (node + step >= size) continue;
    children.push(node + step);
    break;
  }
  if (isRoot) return { parent: undefined, children };
  const parent = (node ^ bit) | (bit * 2);
  return { parent: parent < size ? parent : node ^ bit, children };
}

interface Tree extends Place {
  readonly part: Part;
}

/** The second tree is the first from behind, or one further around where that would be the same leaves again. */
function treesOf(index: number, size: number, length: number): Tree[] {
  const middle = Math.floor(length / 2);
  const isEven = size % 2 === 0;
  const turn = (rank: number): number => (isEven ? size - 1 - rank : (rank + size - 1) % size);
  const back = (node: number): number => (isEven ? size - 1 - node : (node + 1) % size);
  const { parent, children } = placeInTree(turn(index), size);
  return [
    { ...placeInTree(index, size), part: { from: 0, to: middle } },
    {
      parent: parent === undefined ? undefined : back(parent),
      children: children.map(back),
      part: { from: middle, to: length },
    },
  ];
}

export async function doubleTreeAllReduce(wire: Wire, values: Float32Array): Promise<void> {
  const trees = treesOf(wire.index, wire.size, values.length);
  const sends: Promise<void>[] = [];
  const send = (to: number, { from, to: end }: Part): void => {
    const sent = wire.send(to, values.subarray(from, end));
    // The link reports the loss too; until the end this rejection has no other owner.
    sent.catch(() => undefined);
    sends.push(sent);
  };
  const receive = async (from: number, piece: Part, isAdded: boolean): Promise<void> => {
    const received = await wire.receive(from, piece.to - piece.from);
    if (isAdded) wire.add(values, received, piece.from);
    else wire.copy(values, received, piece.from);
    wire.recycle(from, received);
  };
  // The same order on every rank, piece by piece and tree by tree: two trees share the links.
  const steps = stepsOf(trees);
  for (const { tree, piece } of steps) {
    for (const child of tree.children) await receive(child, piece, true);
    if (tree.parent !== undefined) send(tree.parent, piece);
  }
  for (const { tree, piece } of steps) {
    if (tree.parent !== undefined) await receive(tree.parent, piece, false);
    for (const child of tree.children) send(child, piece);
  }
  await Promise.all(sends);
}

function stepsOf(trees: readonly Tree[]): { readonly tree: Tree; readonly piece: Part }[] {
  return trees
    .flatMap((tree, order) => {
      const { from, to } = tree.part;
      const count = Math.ceil((to - from) / pieceElements);
      return Array.from({ length: count }, (_, index) => {
        const start = from + index * pieceElements;
        return {
          tree,
          order: index * 2 + order,
          piece: { from: start, to: Math.min(to, start + pieceElements) },
        };
      });
    })
    .toSorted((one, other) => one.order - other.order);
}
