import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { unitsOf, writeUnit } from './service-files.ts';
import { type UnitOptions, dataDirOfUnit, unitText, unitWord } from './unit-text.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-service-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options: UnitOptions = {
  scope: 'system',
  nodePath: process.execPath,
  serverEntry: import.meta.filename,
  dataDir: '/var/lib/gantry',
  serverArgs: ['--port', '7070'],
};

describe('the unit', () => {
  test('starts this node with this server on this data directory', () => {
    expect(unitText(options)).toContain(
      `ExecStart=${unitWord(process.execPath)} ${unitWord(import.meta.filename)} --data-dir /var/lib/gantry --port 7070`,
    );
  });

  test('lets workers outlive the server and keeps their sockets', () => {
    for (const scope of ['system', 'user'] as const) {
      const text = unitText({ ...options, scope });
      expect(text).toContain('\nKillMode=process\n');
      expect(text).toContain('\nRestart=on-failure\n');
      expect(text).not.toMatch(/^PrivateTmp=/m);
    }
  });

  test('is a unit of the machine or of a user', () => {
    expect(unitText(options)).toMatch(/ProtectSystem=yes[\s\S]*WantedBy=multi-user.target/);
    expect(unitText({ ...options, runAs: 'ml' })).toContain('\nUser=ml\n');
    const own = unitText({ ...options, scope: 'user' });
    expect(own).toContain('WantedBy=default.target');
    expect(own).not.toMatch(/^(Protect|Capability|User=)/m);
  });

  test.each(['/a b', '/a"b', '/50%', '/$HOME', '/back\\slash', '/plain', '/ü'])(
    'says %s so that it is read back the same',
    (dataDir) => {
      expect(dataDirOfUnit(unitText({ ...options, dataDir }))).toBe(dataDir);
    },
  );

  test("somebody else's unit is none of ours", () => {
    expect(dataDirOfUnit('[Service]\nExecStart=/bin/x --data-dir /var/lib/gantry')).toBeUndefined();
  });

  const canVerify = spawnSync('systemd-analyze', ['--version']).status === 0;
  test.runIf(canVerify).each(['system', 'user'] as const)(
    'systemd finds no fault in the %s unit',
    (scope) => {
      const home = join(folder, scope);
      mkdirSync(home, { recursive: true });
      const file = join(home, 'gantry.service');
      writeFileSync(file, unitText({ ...options, scope, dataDir: '/srv/a b' }));
      const verified = spawnSync(
        'systemd-analyze',
        ['verify', '--man=no', '--recursive-errors=no', ...(scope === 'user' ? ['--user'] : []), file],
        { encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: home } },
      );
      expect(verified.stderr.split('\n').filter((line) => line.includes('gantry.service'))).toEqual([]);
    },
  );
});

test('a unit is found by the data directory it serves', () => {
  const folders = { system: join(folder, 'etc'), user: join(folder, 'home') };
  const file = writeUnit(folders.system, unitText(options));
  expect(readFileSync(file, 'utf8')).toContain('[Service]');
  expect(unitsOf('/var/lib/gantry', folders)).toEqual([{ scope: 'system', file }]);
  expect(unitsOf('/elsewhere', folders)).toEqual([]);
});
