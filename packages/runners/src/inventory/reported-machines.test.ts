/** Link matrices that people posted, in the shapes that tools and chat windows left them in. The sources are beside each. */
import { describe, expect, it } from 'vitest';
import { parseTopology } from './nvidia.ts';

const row = (first: string, ...cells: readonly string[]): string => [first, ...cells].join('\t');

/** NVIDIA/go-gpuallocator issue 17: eight RTX 4090 in a two-socket server; the network cards have rows of their own. */
const eightConsumerCards = [
  row('', ...names(8), 'NIC0', 'NIC1', 'CPU Affinity', 'NUMA Affinity', 'GPU NUMA ID'),
  ...names(8).map((name, index) =>
    row(
      name,
      ...names(8).map((peer) => (peer === name ? ' X ' : 'SYS')),
      index === 6 ? 'PHB' : 'SYS',
      index === 6 ? 'PHB' : 'SYS',
      index < 4 ? '0-55,112-167' : '56-111,168-223',
      index < 4 ? '0' : '1',
      '',
      'N/A',
    ),
  ),
  row('NIC0', 'SYS', 'SYS', 'SYS', 'SYS', 'SYS', 'SYS', 'PHB', 'SYS', ' X ', 'PIX'),
  row('NIC1', 'SYS', 'SYS', 'SYS', 'SYS', 'SYS', 'SYS', 'PHB', 'SYS', 'PIX', ' X '),
].join('\n');

/** NVIDIA/nccl issue 707 (cut in the report): a DGX A100 whose columns name the network cards by device. */
const dgxA100 = `    GPU0    GPU1    GPU2    GPU3    GPU4    GPU5    GPU6    GPU7    mlx5_0  mlx5_1  mlx5_2  mlx5_3 CPU Affinity   NUMA Affinity
GPU0     X      NV12    NV12    NV12    NV12    NV12    NV12    NV12    NODE    NODE    NODE    NODE    0-47,96-143    0
GPU1    NV12     X      NV12    NV12    NV12    NV12    NV12    NV12    NODE    NODE    NODE    NODE    0-47,96-143    0
GPU2    NV12    NV12     X      NV12    NV12    NV12    NV12    NV12    PXB     PXB     PXB     PXB     0-47,96-143    0`;

/** sgl-project/sglang issue 13973 (cut in the report): eight H100 over four NUMA nodes, blanks for tabs. */
const fourNumaNodes = `        GPU0    GPU1    GPU2    GPU3    GPU4    GPU5    GPU6    GPU7    NIC0    NIC1    CPU Affinity    NUMA Affinity   GPU NUMA ID
GPU2    NV18    NV18     X      NV18    NV18    NV18    NV18    NV18    NODE    NODE    0-23,96-119     0               N/A
GPU3    NV18    NV18    NV18     X      NV18    NV18    NV18    NV18    SYS     SYS     24-47,120-143   1               N/A
GPU4    NV18    NV18    NV18    NV18     X      NV18    NV18    NV18    SYS     SYS     48-71,144-167   2               N/A`;

/** A blog's two GTX 1080 Ti on one desktop board: no NUMA at all. */
const desktop = `        GPU0    GPU1    CPU Affinity    NUMA Affinity
GPU0     X      PHB     0-11            N/A
GPU1    PHB      X      0-11            N/A`;

function names(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `GPU${index}`);
}

describe('link matrices as reported', () => {
  it.each([
    ['eight consumer cards', eightConsumerCards, 0, 'SYS', 7, 0],
    ['eight consumer cards, the other socket', eightConsumerCards, 7, 'SYS', 7, 1],
    ['a DGX A100', dgxA100, 2, 'NV12', 7, 0],
    ['four NUMA nodes', fourNumaNodes, 4, 'NV18', 7, 2],
    ['a desktop', desktop, 1, 'PHB', 1, undefined],
  ] as const)('%s', (_, text, gpu, link, peers, numaNode) => {
    const { links, numaNodes } = parseTopology(text);
    const own = links.get(gpu);
    expect([...(own?.values() ?? [])]).toEqual(Array.from({ length: peers }, () => link));
    expect(own?.has(gpu)).toBe(false);
    expect(numaNodes.get(gpu)).toBe(numaNode);
  });

  it('take no network card for a GPU', () => {
    expect([...parseTopology(eightConsumerCards).links.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
