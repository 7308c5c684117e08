/**
 * Imports go down only (docs/architecture.md): within a layer never sideways, kit and ports excepted;
 * layers 0 and 1 import no `node:*`; layer 3 meets layer 2 only in `ports`.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** room → the rooms it may import. This table is the architecture; the page in docs explains it. */
const zero = ['kit', 'contract', 'formats'];
const rules = ['scheduling', 'training', 'conversion', 'serving', 'sdk'];
const parts = ['store', 'blobs', 'runners', 'trainer', 'engines', 'control', 'gateway'];
const mayImport: Readonly<Record<string, readonly string[]>> = {
  kit: [],
  contract: ['kit'],
  formats: ['kit'],
  ports: zero,
  scheduling: zero,
  training: zero,
  conversion: zero,
  serving: zero,
  sdk: zero,
  store: [...zero, 'ports'],
  blobs: [...zero, 'ports'],
  runners: [...zero, 'ports'],
  trainer: [...zero, 'ports', ...rules],
  engines: [...zero, 'ports', ...rules],
  control: [...zero, 'ports', ...rules],
  gateway: [...zero, 'ports', ...rules],
  server: [...zero, 'ports', ...rules, ...parts],
  worker: [...zero, 'ports', ...rules, ...parts],
  cli: [...zero, ...rules],
};
const withoutNode = new Set(['kit', 'contract', 'formats', 'ports', ...rules]);

interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly isTest: boolean;
}

function importsOf(room: string, folder: string): readonly Import[] {
  return globSync('src/**/*.ts', { cwd: join(root, folder) }).flatMap((file) => {
    const text = readFileSync(join(root, folder, file), 'utf8');
    const isTest = /\.(test|suite|soak)\.ts$/.test(file) || /\/(testing|e2e)\//.test(file);
    return [
      ...text.matchAll(
        /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g,
      ),
    ].map((match) => ({
      file: `${room}/${file}`,
      specifier: match[1] ?? match[2] ?? match[3] ?? '',
      isTest,
    }));
  });
}

describe('layers', () => {
  for (const [room, allowed] of Object.entries(mayImport)) {
    const folder = existsSync(join(root, 'packages', room)) ? `packages/${room}` : `apps/${room}`;
    if (!existsSync(join(root, folder, 'package.json'))) continue;
    const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    const imports = importsOf(room, folder);

    it(`${room} imports only what lies below it`, () => {
      const breaches = imports.filter(({ specifier, isTest }) => {
        const target = /^@gantry\/([^/]+)/.exec(specifier)?.[1];
        return (
          target !== undefined &&
          target !== room &&
          !allowed.includes(target) &&
          !(isTest && target === 'testkit')
        );
      });
      expect(breaches).toEqual([]);
      const declared = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@gantry/'));
      expect(declared.filter((name) => !allowed.includes(name.slice('@gantry/'.length)))).toEqual([]);
    });

    it(`${room} declares every package it imports`, () => {
      const undeclared = imports.filter(({ specifier, isTest }) => {
        const target = /^@gantry\/([^/]+)/.exec(specifier)?.[0];
        return (
          !isTest &&
          target !== undefined &&
          target !== `@gantry/${room}` &&
          !(target in (manifest.dependencies ?? {}))
        );
      });
      expect(undeclared).toEqual([]);
    });

    it(`${room} reaches no other room by relative path`, () => {
      expect(imports.filter(({ specifier }) => /(\.\.\/)+(packages|apps)\//.test(specifier))).toEqual([]);
    });

    if (withoutNode.has(room)) {
      it(`${room} stays free of node:*`, () => {
        expect(imports.filter(({ specifier, isTest }) => !isTest && specifier.startsWith('node:'))).toEqual(
          [],
        );
      });
    }
  }

  it('knows every room there is', () => {
    const rooms = globSync('{packages,apps}/*/package.json', { cwd: root }).map((file) => file.split('/')[1]);
    expect(rooms.filter((room) => room !== undefined && !(room in mayImport))).toEqual([]);
  });
});
