import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listRdma } from './rdma.ts';

it('tells RoCE from InfiniBand and a port with a cable from one without', () => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-rdma-'));
  const port = (device: string, state: string, linkLayer: string): void => {
    const dir = join(root, device, 'ports', '1');
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'state'), `${state}\n`);
    writeFileSync(join(dir, 'link_layer'), `${linkLayer}\n`);
  };
  port('mlx5_0', '4: ACTIVE', 'Ethernet');
  port('mlx5_1', '1: DOWN', 'InfiniBand');
  expect(listRdma(root)).toEqual([
    { name: 'mlx5_0', linkLayer: 'Ethernet', isActive: true },
    { name: 'mlx5_1', linkLayer: 'InfiniBand', isActive: false },
  ]);
  rmSync(root, { recursive: true });
  expect(listRdma(root)).toEqual([]);
});
