/** `npm run pack [-- --verify] [--out DIR]`: one tarball for `npm i -g`; `--verify` installs and runs it on Node 20, 22 and 24. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { stagePackage } from './pack/stage.ts';
import { verifyTarball } from './pack/verify.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { verify: { type: 'boolean' }, out: { type: 'string' } } });
const out = resolve(root, values.out ?? '.gantry/pack');
const stage = join(root, '.gantry', 'pack', 'stage');

mkdirSync(out, { recursive: true });
console.log('  compiling …');
stagePackage(root, stage);
console.log('  packing …');
const packed = spawnSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], {
  cwd: stage,
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
if (packed.status !== 0) throw new Error(`npm pack failed: ${packed.stderr}`);
const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
const tarball = join(out, filename);
const megabytes = (statSync(tarball).size / 1e6).toFixed(0);
console.log(`  ✓ ${tarball} (${megabytes} MB)`);
console.log(`  install it: npm install --global ${tarball}`);
if (values.verify === true) process.exitCode = (await verifyTarball(tarball)) ? 0 : 1;
