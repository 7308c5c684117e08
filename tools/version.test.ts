/** One version for the whole of it: what is installed together is told apart by one number. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gantryVersion } from '@gantry/kit';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

it.each(['package.json', ...globSync('{packages,apps}/*/package.json', { cwd: root })])(
  '%s is of the version that the code says',
  (path) => {
    const { version } = JSON.parse(readFileSync(join(root, path), 'utf8')) as { version: string };
    expect(version).toBe(gantryVersion);
  },
);
