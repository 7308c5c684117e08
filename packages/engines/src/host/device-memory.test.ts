import { expect, it } from 'vitest';
import { deviceMemory } from './device-memory.ts';

it('is that of the fullest device, asked for once in a while', async () => {
  const asked: (readonly string[])[] = [];
  const share = deviceMemory('0,3', async (args) => {
    asked.push(args);
    return '1000, 80000\n79000, 80000\n';
  });
  expect(await share()).toBeCloseTo(79 / 80);
  expect(await share()).toBeCloseTo(79 / 80);
  expect(asked).toEqual([
    ['--id=0,3', '--query-gpu=memory.used,memory.total', '--format=csv,noheader,nounits'],
  ]);
});

it('is unknown where no driver answers, or in another language', async () => {
  const absent = deviceMemory('0', async () => {
    throw new Error('ENOENT');
  });
  expect(await absent()).toBeUndefined();
  expect(await deviceMemory('0', async () => '[N/A], [N/A]\n')()).toBeUndefined();
});
