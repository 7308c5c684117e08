import { expect, it } from 'vitest';
import { mayComeBack } from './rejoin.ts';

const torchrun = { command: 'torchrun train.py', env: { PET_RDZV_BACKEND: 'c10d' } };
const killed = { exitClass: 'infrastructure' } as const;

it('a member comes back where its launcher takes it, and only when the machine took it away', () => {
  expect(mayComeBack(torchrun, 1, killed, 0)).toBe(true);
  // It holds the meeting point.
  expect(mayComeBack(torchrun, 0, killed, 0)).toBe(false);
  expect(mayComeBack(torchrun, 1, { exitClass: 'user_error' }, 0)).toBe(false);
  expect(mayComeBack(torchrun, 1, { exitClass: 'out_of_memory' }, 0)).toBe(false);
  expect(mayComeBack({ ...torchrun, env: {} }, 1, killed, 0)).toBe(false);
  expect(mayComeBack({ ...torchrun, command: 'python train.py' }, 1, killed, 0)).toBe(false);
});

it('a machine that keeps taking it away has the attempt begun anew in the end', () => {
  expect(mayComeBack(torchrun, 1, killed, 9)).toBe(true);
  expect(mayComeBack(torchrun, 1, killed, 10)).toBe(false);
});
