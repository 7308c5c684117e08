import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { CliError } from './cli-error.ts';
import { readEndpointFile } from './endpoint-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-endpoint-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (text: string): string => {
  const path = join(folder, 'a.yaml');
  writeFileSync(path, text);
  return path;
};

test('the example is one', () => {
  const example = join(import.meta.dirname, '..', '..', '..', 'examples', 'served-model.endpoint.yaml');
  expect(readEndpointFile(example)).toMatchObject({ name: 'chat', model: 'quickstart', slots: 4 });
});

test('name and model may come from the command line', () => {
  expect(readEndpointFile(file('cacheSeconds: 60'))).toEqual({ cacheSeconds: 60 });
});

test.each([
  ['model: m\nslot: 4', ':2:1  unknown key "slot" — did you mean "slots"?'],
  ['model: m\nscaling: { min: 5, max: 2 }', ':2:17  scaling.min: must not be above max'],
  ['model: m\nbatching:\n  maxDelay: 5', ':3:3  unknown key "maxDelay" — did you mean "maxDelayMs"?'],
])('%j is told with its place', (text, problem) => {
  const path = file(text);
  try {
    readEndpointFile(path);
    expect.unreachable();
  } catch (error) {
    expect((error as CliError).problems.map((each) => `${each.path}  ${each.message}`)).toEqual([
      `${path}${problem}`,
    ]);
  }
});
