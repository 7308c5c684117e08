/** Where a server cannot listen, or with what certificate: said with what to do, before anything else is started. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listenProblem } from './listen-problem.ts';
import { readTls } from './read-tls.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-tls-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a certificate', () => {
  test('that is not there is named with its option', async () => {
    const certFile = join(folder, 'none.pem');
    await expect(readTls({ certFile, keyFile: certFile })).rejects.toMatchObject({
      code: 'bad_request',
      message: `--tls-cert ${certFile} cannot be read: ENOENT`,
    });
  });

  test('that is none says what the files should be', async () => {
    const file = join(folder, 'text.pem');
    await writeFile(file, 'hello');
    await expect(readTls({ certFile: file, keyFile: file })).rejects.toMatchObject({
      code: 'bad_request',
      hint: expect.stringContaining('private key'),
    });
  });
});

describe('a port that cannot be opened', () => {
  test.each([
    ['EADDRINUSE', 'port_in_use', /port 80 is taken/],
    ['EADDRNOTAVAIL', 'bad_request', /no address 192\.0\.2\.1/],
    ['EACCES', 'bad_request', /may not open port 80/],
    ['ENOTFOUND', 'bad_request', /192\.0\.2\.1/],
    ['EAI_AGAIN', 'bad_request', /192\.0\.2\.1/],
  ])('%s', (code, expected, message) => {
    const problem = listenProblem(Object.assign(new Error(code), { code }), { host: '192.0.2.1', port: 80 });
    expect(problem).toMatchObject({ code: expected, message: expect.stringMatching(message) });
    expect(problem).toHaveProperty('hint');
  });

  test('for a reason nobody thought of is told as it is', () => {
    const error = new Error('odd');
    expect(listenProblem(error, { host: 'x', port: 1 })).toBe(error);
  });
});
