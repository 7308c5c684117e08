/** Every example is run: what the documentation shows works, or a test fails. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type Bench, createBench } from './gantry.ts';

const examples = resolve(import.meta.dirname, '..', '..', '..', '..', 'examples');
const example = (name: string): string => join(examples, name);
let bench: Bench;

beforeAll(async () => {
  bench = createBench();
  const { code, err } = await bench.gantry('up', '--detach', '--port', '0');
  expect({ code, err }).toEqual({ code: 0, err: '' });
});
afterAll(() => bench[Symbol.asyncDispose]());

/** The same job, over in seconds on a machine of one CPU: fewer steps on less text, and half a CPU a rank. */
function shortened(name: string): string {
  const spec = parse(readFileSync(example(name), 'utf8')) as {
    train: Record<string, unknown>;
    resources: object;
  };
  const train = {
    ...spec.train,
    data: [join(examples, '..', 'README.md'), join(examples, '*.test.ts')],
    steps: 12,
  };
  const file = join(bench.home, name);
  writeFileSync(file, stringify({ ...spec, train, resources: { ...spec.resources, cpu: 0.5 } }));
  return file;
}

test('a classifier learns a table and is registered', async () => {
  const { code, out } = await bench.gantry('job', 'submit', example('classifier.yaml'), '--wait');
  expect({ code, out }).toMatchObject({ code: 0 });
  expect(out).toContain('✓ model flowers@1');
});

test('a mixture of experts learns on two ranks', async () => {
  const { code, out } = await bench.gantry('job', 'submit', shortened('mixture.yaml'), '--wait');
  expect({ code, out }).toMatchObject({ code: 0 });
  expect(out).toContain('✓ model mixture@1');
});

test('data is prepared once, and a training learns from it', async () => {
  const tokens = join(bench.home, 'tokens');
  const write = (name: string, spec: object): string => {
    writeFileSync(join(bench.home, name), stringify(spec));
    return join(bench.home, name);
  };
  const job = parse(readFileSync(example('prepared-data.yaml'), 'utf8')) as {
    train: object;
    resources: object;
  };
  const texts = { data: [join(examples, '..', 'README.md'), join(examples, '*.yaml')], clean: {} };
  const file = write('prepare.yaml', { ...job, train: { ...job.train, ...texts, into: tokens } });
  const prepared = await bench.gantry('job', 'submit', file, '--wait');
  expect({ code: prepared.code, out: prepared.out }).toMatchObject({ code: 0 });
  expect(readdirSync(tokens)).toEqual(
    expect.arrayContaining(['dropped.jsonl', 'manifest.json', 'tokenizer.json']),
  );
  const learn = { recipe: 'language-model', data: [{ prepared: tokens }], steps: 4, depth: 1 };
  const { code, out } = await bench.gantry(
    'job',
    'submit',
    write('learn.yaml', { train: learn, resources: job.resources }),
    '--wait',
  );
  expect({ code, out }).toMatchObject({ code: 0 });
});

test('the smallest job', async () => {
  const { code } = await bench.gantry('job', 'submit', example('shell.yaml'), '--wait');
  expect(code).toBe(0);
  const [job] = JSON.parse((await bench.gantry('job', 'list', '--json')).out) as { name: string }[];
  expect((await bench.gantry('job', 'logs', job?.name ?? '')).out).toBe('hello from rank 0 of 1\n');
});

test('ranks of two kinds', async () => {
  const { code } = await bench.gantry('job', 'submit', example('groups.yaml'), '--wait');
  expect(code).toBe(0);
  const { out } = await bench.gantry('job', 'logs', 'dice', '--rank', '0');
  expect(out).toContain('thrower 0 of 2 is rank 1');
  expect(out).toContain('thrower 1 of 2 is rank 2');
});

test('two ranks train a model, which is registered, served and answers', async () => {
  const trained = await bench.gantry('job', 'submit', shortened('quickstart.yaml'), '--wait');
  expect({ code: trained.code, out: trained.out }).toMatchObject({ code: 0 });
  expect(trained.out).toMatch(/2 ranks on [\s\S]*✓ trained .*held-out [\d.]+, .* a bigram model's [\d.]+/);
  expect(trained.out).toContain('✓ model quickstart@1');

  const made = await bench.gantry('endpoint', 'create', '--file', example('served-model.endpoint.yaml'));
  // How long it has been starting is told meanwhile.
  expect({ code: made.code, err: made.err }).toMatchObject({ code: 0 });
  expect(made.out).toContain('✓ endpoint chat   quickstart@1   1 / 1 replicas ready');
  const asked = ['endpoint', 'try', 'chat', 'A gang', '--max-tokens', '8', '--json'];
  const { code, out } = await bench.gantry(...asked);
  expect(code).toBe(0);
  expect((JSON.parse(out) as { text: string }).text.length).toBeGreaterThan(0);
});

const hasTorch =
  spawnSync('python3', ['-c', 'import importlib.metadata as m; m.version("torch")']).status === 0;

// `npm run test:interop` always has a torch, and runs it there.
test.skipIf(!hasTorch)('the torchrun job', async () => {
  const { code } = await bench.gantry('job', 'submit', example('torchrun.yaml'), '--wait');
  expect(code).toBe(0);
});
