import { expect, test } from 'vitest';
import { usageFiles } from './container-memory.ts';

test('where a container’s memory stands is read from its process, for both versions of control groups', () => {
  expect(usageFiles('4:memory:/libpod/c1\n3:cpuset:/libpod/c1\n0::/libpod/c1\n')).toEqual([
    '/sys/fs/cgroup/memory/libpod/c1/memory.usage_in_bytes',
    '/sys/fs/cgroup/libpod/c1/memory.current',
  ]);
  expect(usageFiles('0::/machine.slice/c2.scope\n')).toEqual([
    '/sys/fs/cgroup/machine.slice/c2.scope/memory.current',
  ]);
  expect(usageFiles('0::/\n')).toEqual([]);
});
