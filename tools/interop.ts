/**
 * `npm run test:interop`: foreign programs judge what Gantry makes. A throw-away Python environment gets the
 * openai client and safetensors; a tiny model is trained, served and asked through the one, and its exported
 * weights are read by the other. Python is needed for this alone.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endpointReady, jobEnd } from '../apps/server/src/e2e/testing/follow.ts';
import { silentLogger } from '../apps/server/src/e2e/testing/silent-logger.ts';
import { readOptions } from '../apps/server/src/options.ts';
import { serve } from '../apps/server/src/serve.ts';
import { createClient } from '../packages/sdk/src/index.ts';

const run = promisify(execFile);
const say = (line: string): boolean => process.stdout.write(`  ${line}\n`);

/** Asserts in the peer's own language; its last line says what it saw. */
const openaiPeer = `
import os, openai
client = openai.OpenAI(base_url=os.environ["URL"] + "/v1", api_key=os.environ["KEY"], max_retries=0)
assert [m.id for m in client.models.list().data] == ["chat"]
ask = dict(model="chat", prompt="The scheduler", max_tokens=8, temperature=0)
whole = client.completions.create(**ask)
chunks = list(client.completions.create(**ask, stream=True))
streamed = "".join(c.choices[0].text for c in chunks if c.choices)
assert streamed == whole.choices[0].text, (streamed, whole.choices[0].text)
said = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "The"}], max_tokens=4)
assert said.choices[0].message.role == "assistant"
try:
    client.completions.create(model="nobody", prompt="x")
    raise SystemExit("an unknown model was answered")
except openai.NotFoundError:
    pass
print(f"openai {openai.__version__}: models, completion = stream of {len(chunks)} chunks, chat, 404")
`;
const safetensorsPeer = `
import os, numpy, safetensors, safetensors.numpy
tensors = safetensors.numpy.load_file(os.environ["WEIGHTS"])
assert tensors and all(numpy.isfinite(t.astype("float32")).all() for t in tensors.values())
print(f"safetensors {safetensors.__version__}: {len(tensors)} tensors, {sum(t.size for t in tensors.values())} finite parameters")
`;

const dir = await mkdtemp(join(tmpdir(), 'gantry-interop-'));
try {
  await run('python3', ['-m', 'venv', join(dir, 'venv')]);
  const python = join(dir, 'venv', 'bin', 'python');
  await run(python, ['-m', 'pip', 'install', '-q', 'openai>=2,<4', 'safetensors', 'numpy']);
  const texts = join(dir, 'texts');
  await mkdir(texts);
  await writeFile(join(texts, 'a.txt'), 'The scheduler places every gang whole or not at all.\n'.repeat(400));
  await using server = await serve(
    readOptions(['--data-dir', join(dir, 'd'), '--port', '0'], {}, process.getuid?.()),
    silentLogger(),
  );
  const key = (await readFile(join(dir, 'd', 'keys', 'operator.key'), 'utf8')).trim();
  const client = createClient({ baseUrl: server.url, key });
  await client.call('jobs.submit', {
    body: {
      name: 'learn',
      workdir: texts,
      train: { recipe: 'language-model', data: ['*.txt'], depth: 2, steps: 100, batchTokens: 512 },
      resources: { cpu: 1, memory: '1GiB' },
      register: 'tiny',
    },
  });
  const job = await jobEnd(client, 'learn');
  if (job.state !== 'succeeded') throw new Error(`training ended ${job.state}: ${job.exitMessage}`);
  const version = (await client.call('models.versions', { params: { name: 'tiny' } })).items[0];
  const weights = version?.files.find(({ path }) => path.endsWith('.safetensors'));
  if (weights === undefined) throw new Error('the registered version has no safetensors file');
  const digest = weights.digest.replace('sha256:', '');
  const blob = join(dir, 'd', 'blobs', 'sha256', digest.slice(0, 2), digest.slice(2));

  const created = { name: 'chat', model: 'tiny', resources: { cpu: 1, memory: '512MiB' } };
  await client.call('endpoints.create', { body: created });
  await endpointReady(client, 'chat', AbortSignal.timeout(60_000));
  const env = { ...process.env, URL: server.url, KEY: key, WEIGHTS: blob };
  try {
    for (const peer of [openaiPeer, safetensorsPeer])
      say((await run(python, ['-c', peer], { env, timeout: 120_000 })).stdout.trim());
  } finally {
    await client.call('endpoints.delete', { params: { name: 'chat' } });
    const { runner } = server.platform.deps;
    for (const { workerId } of await runner.list())
      await runner.stop(workerId, { graceMs: 2_000 }).catch(() => undefined);
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  await rm(dir, { recursive: true, force: true });
}
process.exit();
