import { gantryVersion } from '@gantry/kit';
import { expect, test } from 'vitest';
import { otherVersion } from './other-version.ts';

test('a server of the same version is no news', () => {
  expect(otherVersion('http://there', gantryVersion)).toBeUndefined();
});

test.each([
  ['99.0.0', 'update this one'],
  ['0.0.9', 'start the server again with this one'],
  ['0.0.9-beta.2', 'start the server again with this one'],
])('of a server that is %s both versions are told, and the way out', (server, way) => {
  const said = otherVersion('http://there', server);
  expect(said).toContain(`this gantry is ${gantryVersion}, the server at http://there is ${server}`);
  expect(said).toContain(way);
});
