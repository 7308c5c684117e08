import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { exitCodes } from './exit-codes.ts';
import { streamCompletion, takesNoText } from './stream-completion.ts';

/** A server that answers everything so, and where it is. */
async function answering(status: number, body: string): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function textFrom(url: string): Promise<string> {
  let text = '';
  for await (const piece of streamCompletion({ url, key: 'k', model: 'chat', prompt: 'a', maxTokens: 9 }))
    text += piece;
  return text;
}

test('pieces come as they stream, to the word that nothing is missing', async () => {
  const frames = ['one ', 'two'].map((text) => `data: {"choices":[{"text":"${text}"}]}\n\n`);
  expect(await textFrom(await answering(200, `${frames.join('')}data: [DONE]\n\n`))).toBe('one two');
});

test('a server of others may end its lines as Windows does', async () => {
  const frames = ['one ', 'two'].map((text) => `data: {"choices":[{"text":"${text}"}]}\r\n\r\n`);
  expect(await textFrom(await answering(200, `${frames.join('')}data: [DONE]\r\n\r\n`))).toBe('one two');
});

test('an answer to a chat comes in the same way', async () => {
  const frames = ['one ', 'two'].map(
    (content) => `data: {"choices":[{"delta":{"content":"${content}"}}]}\n\n`,
  );
  expect(await textFrom(await answering(200, `${frames.join('')}data: [DONE]\n\n`))).toBe('one two');
});

test('a model that takes tensors is told from one that is not there', async () => {
  const told = async (error: string) =>
    textFrom(await answering(404, JSON.stringify({ error }))).catch((problem: unknown) =>
      takesNoText(problem),
    );
  expect(await told('There is nothing at /v1/completions.')).toBe(true);
  expect(await told('No such model for this key.')).toBe(false);
});

test.each([
  [404, exitCodes.not_found],
  [401, exitCodes.denied],
  [429, exitCodes.refused],
])('a refusal with %d has its exit code and the words of the server', async (status, exitCode) => {
  const url = await answering(status, '{"error":{"message":"not for you"}}');
  await expect(textFrom(url)).rejects.toMatchObject({
    exitCode,
    message: expect.stringContaining('not for you') as string,
  });
});

test('an answer that breaks off is told as that', async () => {
  const url = await answering(200, 'data: {"error":{"message":"shutting down"}}\n\n');
  await expect(textFrom(url)).rejects.toMatchObject({ message: 'the answer broke off: shutting down' });
});

test('where nothing answers, that is said: it is no bug', async () => {
  await expect(textFrom('http://127.0.0.1:1')).rejects.toMatchObject({
    code: 'unreachable',
    exitCode: exitCodes.unreachable,
  });
});
