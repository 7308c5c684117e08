/** A server that cannot start says why in one line (code, sentence, hint), exits with 1 and leaves nothing behind. */
import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processesOf } from './testing/processes.ts';
import { type ScratchDir, createScratchDir } from './testing/scratch-dir.ts';
import { NotStartedError, type StartOptions, startServer } from './testing/server-process.ts';

let dir: ScratchDir;
beforeAll(async () => {
  dir = await createScratchDir('start');
});
afterAll(() => dir[Symbol.asyncDispose]());

async function refusal(options: StartOptions): Promise<NotStartedError> {
  try {
    const server = await startServer(options);
    await server.end('SIGTERM');
  } catch (error) {
    if (error instanceof NotStartedError) return error;
    throw error;
  }
  return expect.fail('it started');
}

const memory = ['--memory'];

test('the port is taken', async () => {
  const taken = createServer();
  const port = await new Promise<number>((resolve) => {
    taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port));
  });
  const dataDir = join(dir.path, 'port');
  const error = await refusal({ dataDir, port, args: memory });
  taken.close();
  expect(error.exitCode).toBe(1);
  expect(error.told).toMatchObject({ code: 'port_in_use', hint: expect.stringContaining('--port') });
  expect(error.told.message).toContain(String(port));
  expect(processesOf(dataDir)).toEqual([]);
});

test('another server holds the data directory', async () => {
  const dataDir = join(dir.path, 'held');
  const first = await startServer({ dataDir, args: memory });
  const error = await refusal({ dataDir, args: memory });
  expect(error.told).toMatchObject({ code: 'data_dir_held', hint: expect.any(String) });
  expect(error.told.message).toContain(String(first.pid));
  // The first one did not notice.
  expect(await first.client.call('jobs.list', {})).toMatchObject({ items: [] });
  await first.end('SIGTERM');
});

test.each([
  ['a file is in its way', () => join(dir.path, 'file', 'inside')],
  ['it may not be written', () => '/sys/gantry'],
])('the data directory cannot be made: %s', async (_, place) => {
  await writeFile(join(dir.path, 'file'), '');
  const error = await refusal({ dataDir: place(), args: memory });
  expect(error.told).toMatchObject({
    code: 'data_dir_not_writable',
    hint: expect.stringContaining('--data-dir'),
  });
});

test('the database is away', async () => {
  const dataDir = join(dir.path, 'away');
  const url = 'postgres://nobody:secret-word@127.0.0.1:9/none';
  const error = await refusal({ dataDir, args: ['--database-url', url] });
  expect(error.told).toMatchObject({
    code: 'store_unavailable',
    hint: expect.stringContaining('DATABASE_URL'),
  });
  expect(error.stderr).not.toContain('secret-word');
  expect(processesOf(dataDir)).toEqual([]);
});

test.each([
  ['a host of the network without TLS', ['--host', '0.0.0.0'], /--tls-cert/],
  ['a port that is none', ['--port', '70000'], /65535/],
  ['half of a TLS pair', ['--tls-cert', 'cert.pem'], /--tls-key/],
  ['an option that does not exist', ['--prot', '1'], /--prot/],
])('%s', async (_, args, said) => {
  const dataDir = join(dir.path, 'options');
  const error = await refusal({ dataDir, args });
  expect(error.exitCode).not.toBe(0);
  expect(error.stderr).toMatch(said);
  // Refused before anything was made.
  expect(await readdir(dataDir).catch(() => [])).toEqual([]);
});
