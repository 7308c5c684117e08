import { expect, it, vi } from 'vitest';
import { withWordsKept } from './kept-words.ts';

it('what ranks say is kept while any of them runs, and the streams are as they were afterwards', async () => {
  const toTheStream = vi.spyOn(process.stderr, 'write');
  const written = vi.fn();
  await withWordsKept(async () => {
    await withWordsKept(async () => process.stdout.write('one'));
    process.stderr.write('two', written);
  });
  expect(written).toHaveBeenCalledOnce();
  await expect(withWordsKept(() => Promise.reject(new Error('three')))).rejects.toThrow('three');
  expect(toTheStream).not.toHaveBeenCalled();
  toTheStream.mockImplementation(() => true);
  process.stderr.write('four');
  expect(toTheStream).toHaveBeenCalledOnce();
});
