/**
 * llama.cpp's own server behind `gantry endpoint connect`: health and capacity as the real one tells them, and its
 * answers, whole and streamed, equal to what it says when asked directly; and a version judged by asking it, which
 * scores no prompts. GANTRY_LLAMA_SERVER names the binary;
 * `node bench/main.ts serving llm-peer` builds one into the cache.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { endpointReady } from '../../../apps/server/src/e2e/testing/follow.ts';
import type { Check } from '../check.ts';
import { evaluateThrough } from '../evaluate-through.ts';

export const llamaServer: Check = async (world) => {
  const binary = process.env['GANTRY_LLAMA_SERVER'] ?? (await cachedBinary());
  if (binary === undefined) return 'skipped: no llama-server in the cache (GANTRY_LLAMA_SERVER names one)';
  const { client, url, key, modelDir } = await world.platform();
  const file = (await readdir(modelDir)).find((name) => name.endsWith('.gguf'));
  if (file === undefined) throw new Error('the model has no GGUF');
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const args = [
    '-m',
    join(modelDir, file),
    '--port',
    String(port),
    '-np',
    '3',
    '-c',
    '384',
    '--alias',
    'theirs',
  ];
  const server = spawn(binary, args, { stdio: 'ignore' });
  const ended = once(server, 'exit');
  try {
    const path = join(modelDir, file);
    const { number: original } = await client.call('models.import', { body: { name: 'judged', path } });
    const made = await client.call('models.import', {
      body: { name: 'judged', path, source: { tool: 'llama-server', model: `judged@${original}` } },
    });
    const version = `judged@${made.number}`;
    await client.call('endpoints.connect', {
      body: { name: 'far', engine: 'llama-server', urls: [origin], modelName: 'theirs', serves: version },
    });
    const endpoint = await endpointReady(client, 'far', AbortSignal.timeout(60_000));
    const [seen] = endpoint.remote?.servers ?? [];
    expectEqual('slots', seen?.slots, 3);
    expectEqual('context', seen?.contextTokens, 128);
    const near = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 });
    const direct = new OpenAI({ apiKey: 'none', baseURL: `${origin}/v1`, maxRetries: 0 });
    const ask = { prompt: 'The scheduler places', max_tokens: 12, temperature: 0 } as const;
    const ours = await near.completions.create({ ...ask, model: 'far' });
    const theirs = await direct.completions.create({ ...ask, model: 'theirs' });
    expectEqual('completion', ours.choices[0]?.text, theirs.choices[0]?.text);
    expectEqual('usage', ours.usage?.completion_tokens, theirs.usage?.completion_tokens);
    let streamed = '';
    const stream = await near.completions.create({
      ...ask,
      model: 'far',
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) streamed += chunk.choices[0]?.text ?? '';
    expectEqual('stream', streamed, theirs.choices[0]?.text);
    const chat = { messages: [{ role: 'user', content: 'The' }], max_tokens: 6, temperature: 0 } as const;
    const said = async (from: OpenAI, model: string): Promise<string | null | undefined> =>
      (await from.chat.completions.create({ ...chat, messages: [...chat.messages], model })).choices[0]
        ?.message.content;
    expectEqual('chat', await said(near, 'far'), await said(direct, 'theirs'));
    const booked = await client.call('endpoints.stats', { params: { name: 'far' } });
    if (!JSON.stringify(booked).includes('ompletionTokens')) throw new Error('no tokens were counted');
    const judged = await evaluateThrough(client, version, 'far');
    expectEqual('gate', judged.gate.state, 'passed');
    const [{ comparison } = {}] = judged.evaluations;
    return `llama-server: slots and context as it tells them; completion, stream and chat as asked directly; ${version} judged through it at ${comparison?.positions} places: KL ${comparison?.meanKl.toExponential(1)}, agreement ${comparison?.topAgreement}`;
  } finally {
    await client.call('endpoints.delete', { params: { name: 'far' } });
    server.kill('SIGKILL');
    await ended;
  }
};

async function cachedBinary(): Promise<string | undefined> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gantry');
  const dirs = await readdir(cache).catch(() => []);
  const dir = dirs
    .filter((name) => name.startsWith('llama-server-'))
    .sort()
    .at(-1);
  return dir === undefined ? undefined : join(cache, dir, 'llama-server');
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

function expectEqual(what: string, seen: unknown, wanted: unknown): void {
  if (seen !== wanted)
    throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`);
}
