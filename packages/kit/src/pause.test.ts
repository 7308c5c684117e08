import { expect, test, vi } from 'vitest';
import { pause } from './pause.ts';

test('a pause ends by time or by its signal, at once when that has come, and leaves no listener', async () => {
  const stop = new AbortController();
  const remove = vi.spyOn(stop.signal, 'removeEventListener');
  await pause(1, stop.signal);
  expect(remove).toHaveBeenCalledTimes(1);
  const long = pause(2 ** 30, stop.signal, { isBackground: true });
  stop.abort();
  await long;
  expect(remove).toHaveBeenCalledTimes(2);
  await pause(2 ** 30, stop.signal);
});
