import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { jobSpecSchema } from '@gantry/contract';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { createProgram } from '../program.ts';

let printed = '';
let dir = '';

beforeEach(async () => {
  printed = '';
  dir = await mkdtemp(join(tmpdir(), 'gantry-plan-'));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true, force: true });
});

const usual = ['--model', 'llama-3-8b', '--devices', '16xA100-80GB', '--sequence', '4096', '--batch', '64'];

async function plan(...args: readonly string[]): Promise<string> {
  await createProgram().parseAsync(['plan', ...args], { from: 'user' });
  return printed;
}

describe('gantry plan', () => {
  test('lists layouts with step time, memory by part, the limit and why the best wins', async () => {
    const page = await plan(...usual);
    expect(page).toContain('8.03 B parameters on 16 × A100-80GB');
    expect(page).toMatch(/DP16 · TP1 · PP1 · ZeRO\d .*s .*% .*GiB/);
    expect(page).toMatch(/parameters [\d.]+ GiB · gradients [\d.]+ GiB · optimiser/);
    expect(page).toMatch(/takes [\d.]+ % longer/);
  });

  test('--json has every layout and every launch configuration', async () => {
    const json = JSON.parse(await plan(...usual, '--top', '3', '--json')) as {
      layouts: readonly { seconds: { total: number } }[];
      launch: Readonly<Record<string, unknown>>;
    };
    expect(json.layouts).toHaveLength(3);
    expect(json.layouts[0]?.seconds.total).toBeGreaterThan(0);
    expect(Object.keys(json.launch)).toEqual(['gantry', 'deepspeed', 'fsdp', 'megatron', 'accelerate']);
  });

  test('--html draws memory and time by part, every layout, and the pipeline of the best', async () => {
    const file = join(dir, 'plan.html');
    const page = await plan(...usual, '--pipeline', '4', '--html', file);
    const html = await readFile(file, 'utf8');
    const [, fitting, considered] = /(\d+) of (\d+) layouts fit/.exec(page) ?? [];
    expect(html).toContain('llama-3-8b on 16 × A100-80GB');
    expect(html.match(/class="dot best"/g)).toHaveLength(1);
    expect(html.match(/class="dot fits"/g)).toHaveLength(Number(fitting) - 1);
    expect(html.match(/<circle/g)).toHaveLength(Number(considered));
    for (const part of ['parameters', 'activations', 'bubble', 'stage 3']) expect(html).toContain(part);
    expect(html).not.toMatch(/<script(?! type="application\/json")|https?:\/\/(?!www\.w3\.org)/);
    await expect(plan(...usual, '--html', join(dir, 'none', 'plan.html'))).rejects.toThrow(
      /cannot be written/,
    );
  });

  test('--emit gantry prints a job file that the contract takes', async () => {
    const held = ['--tensor', '2', '--pipeline', '2', '--virtual-stages', '1', '--offload', 'none'];
    const spec = jobSpecSchema.parse(
      parse(await plan(...usual, '--model', 'mistral-7b', ...held, '--emit', 'gantry')),
    );
    expect(spec.parallel).toMatchObject({ data: 4, tensor: 2, pipeline: 2 });
    expect(spec.train?.batchTokens).toBe(64 * 4_096);
  });

  test('--emit deepspeed prints its configuration alone', async () => {
    const config = JSON.parse(
      await plan(...usual, '--zero', '3', '--tensor', '1', '--pipeline', '1', '--emit', 'deepspeed'),
    ) as Record<string, unknown>;
    expect(config).toMatchObject({ train_batch_size: 64, zero_optimization: { stage: 3 } });
  });

  test('an optimiser that keeps less leaves more room, and the job says which', async () => {
    const optimiserOf = async (name: string): Promise<number> => {
      printed = '';
      const json = JSON.parse(await plan(...usual, '--zero', '1', '--optimizer', name, '--json')) as {
        layouts: readonly { memoryBytes: { optimiser: number } }[];
      };
      return json.layouts[0]?.memoryBytes.optimiser ?? Number.NaN;
    };
    expect((await optimiserOf('sgd')) / (await optimiserOf('adamw'))).toBeCloseTo(2 / 3, 3);
    printed = '';
    const held = [
      '--model',
      'mistral-7b',
      '--offload',
      'none',
      '--optimizer',
      'adafactor',
      '--emit',
      'gantry',
    ];
    expect(jobSpecSchema.parse(parse(await plan(...usual, ...held))).train?.optimizer).toBe('adafactor');
  });

  test('a model of one’s own: config.json, or the folder it lies in', async () => {
    const config = {
      num_hidden_layers: 8,
      hidden_size: 512,
      num_attention_heads: 8,
      intermediate_size: 1_376,
      vocab_size: 32_000,
    };
    await writeFile(join(dir, 'config.json'), JSON.stringify(config));
    const page = await plan('--model', dir, ...usual.slice(2));
    expect(page).toContain(`${basename(dir)}: 0.06 B parameters`);
  });

  test.each([
    [['--model', 'llama-9'], /no known model "llama-9"/, /llama-3-8b/],
    [['--devices', '16xTPU'], /no profile of a device "TPU"/, /H100-80GB/],
    [['--batch', '0'], /--batch 0 cannot be/, /whole number/],
    [['--tensor', '3'], /do not divide among 3 ranks/, /2 and 4/],
    [
      ['--model', 'gpt3-175b', '--devices', '4xA100-80GB'],
      /Nothing fits: .* GiB too much/,
      /A100-80GB would fit/,
    ],
    [['--optimizer', 'muon', '--emit', 'megatron'], /Megatron-LM has no muon/, /^$/],
    [['--pipeline', '64'], /64 stages are more than the model's 32 layers/, /At most 32/],
    [['--pipeline', '2', '--emit', 'fsdp'], /fsdp cannot run the best layout.*ask for/, /^$/],
  ])('%j is refused with a reason', async (args, message, hint) => {
    const error: unknown = await plan(...usual, ...args).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ message: expect.stringMatching(message) as unknown });
    expect((error as { hint?: string }).hint ?? '').toMatch(hint);
  });

  describe('on this machine', () => {
    const job = `
train:
  recipe: language-model
  data: ['*.txt']
  depth: 6
  width: 384
  heads: 6
  sequenceLength: 256
  batchTokens: 2048
`;
    let jobFile = '';
    beforeEach(async () => {
      vi.stubEnv('XDG_CONFIG_HOME', dir);
      jobFile = join(dir, 'small.yaml');
      await writeFile(jobFile, job);
    });
    afterEach(() => vi.unstubAllEnvs());

    async function calibrated(memoryBytes = 16 * 2 ** 30): Promise<void> {
      await mkdir(join(dir, 'gantry'));
      const calibration = {
        version: 1,
        machine: 'a test',
        memoryBytes,
        dialect: 'portable',
        memory: { baseBytes: 130e6, nodeBytes: 20e3 },
        step: {
          flopPerSecond: { alone: 200e9, together: 180e9 },
          passSecondsPerByte: 1e-10,
          optimiserSecondsPerParameter: 1e-9,
          exchange: { startSeconds: 1e-4, bytesPerSecond: 1e9 },
          cores: 4,
        },
      };
      await writeFile(join(dir, 'gantry', 'calibration.json'), JSON.stringify(calibration));
    }

    const local = (devices: string, ...args: readonly string[]): Promise<string> =>
      plan('--model', jobFile, '--devices', devices, ...args);

    test('a job file is planned for: layouts, memory of a rank by part, the limit', async () => {
      await calibrated();
      const page = await local('4xlocal');
      expect(page).toContain('small on 4 of our own ranks');
      expect(page).toContain('8 sequences of 256 tokens a step');
      expect(page).toMatch(/DP4 · TP1 · PP1 .*ms .*MiB/);
      expect(page).toMatch(/memory of a rank .*parameters \d+ MiB .*workspace \d+ MiB/);
      expect(page).toMatch(/Bound by compute|After compute/);
    });

    test('--emit gantry prints the job of the layout that was held', async () => {
      await calibrated();
      const held = ['--pipeline', '2', '--tensor', '2', '--virtual-stages', '1'];
      const spec = jobSpecSchema.parse(parse(await local('4xlocal', ...held, '--emit', 'gantry')));
      expect(spec.parallel).toMatchObject({ data: 1, tensor: 2, pipeline: 2 });
      expect(spec.train).toMatchObject({ depth: 6, width: 384, batchTokens: 2_048 });
    });

    test.each([
      [['4xlocal', '--tensor', '4'], /heads 6 does not divide among 4/, /tensor to one of 1, 2,/],
      [
        ['16xlocal', '--pipeline', '8'],
        /8 pipeline stages are more than the 6 layers/,
        /pipeline to 6 or less/,
      ],
      [['3xlocal', '--tensor', '1', '--pipeline', '1'], /batch of 8 .* does not divide among 3/, /6 and 9/],
      [['2xlocal', '--emit', 'megatron'], /megatron does not run/, /--emit gantry/],
      [['2xlocal', '--recompute', 'selective'], /not planned for on local ranks/, /full/],
    ])('%j is refused with a reason', async ([devices = '', ...args], message, hint) => {
      await calibrated();
      const error: unknown = await local(devices, ...args).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ message: expect.stringMatching(message) as unknown });
      expect((error as { hint?: string }).hint ?? '').toMatch(hint);
    });

    test('what does not fit says by how much, and what would', async () => {
      await calibrated(400 * 2 ** 20);
      await expect(local('4xlocal')).rejects.toMatchObject({
        message: expect.stringMatching(/Nothing fits: .* MiB too much/) as unknown,
        hint: expect.stringMatching(/2 ranks of that size would fit/) as unknown,
      });
    });

    test('a machine that was not calibrated, and a calibration that is none', async () => {
      await expect(local('local')).rejects.toThrow(/not calibrated/);
      await mkdir(join(dir, 'gantry'));
      await writeFile(join(dir, 'gantry', 'calibration.json'), '{"version": 1}');
      await expect(local('local')).rejects.toThrow(/is no calibration/);
    });
  });

  test('a model of the registry is planned for as the job that trained it says', async () => {
    const train = { recipe: 'language-model', data: ['*.txt'], depth: 12, width: 768, vocabularySize: 8_192 };
    const answers: Readonly<Record<string, unknown>> = {
      '/api/v1/models/mine/versions': {
        items: [
          { model: 'mine', number: 2, lineage: { importedFrom: 'elsewhere' } },
          { model: 'mine', number: 1, lineage: { job: 'train-mine' } },
        ],
      },
      '/api/v1/jobs/train-mine': { name: 'train-mine', spec: { train: { ...train, batchTokens: 4_096 } } },
    };
    const server = createServer(({ url = '' }, response) => {
      const answer = answers[url.split('?')[0] ?? ''];
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer ?? { error: { code: 'not_found', message: 'no such thing' } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('GANTRY_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    vi.stubEnv('GANTRY_KEY', 'a-key');
    try {
      const page = await plan('--model', 'mine@1', '--devices', '8xA100-80GB');
      expect(page).toContain('mine@1: 0.09 B parameters on 8 × A100-80GB');
      expect(page).toContain('32 sequences of 128 tokens a step');
      // What was imported leads to no job.
      await expect(plan('--model', 'mine', '--devices', '8xA100-80GB')).rejects.toThrow(
        /no known model "mine"/,
      );
    } finally {
      vi.unstubAllEnvs();
      server.close();
    }
  });

  test('a job file says sequence and batch; without it they are asked for', async () => {
    await expect(plan('--model', 'llama-3-8b', '--devices', '8xA100-80GB')).rejects.toMatchObject({
      message: '--sequence is not given.',
      hint: 'Give tokens of a sequence.',
    });
    await expect(plan()).rejects.toThrow('--devices is not given.');
  });

  test('a file that is no configuration', async () => {
    await writeFile(join(dir, 'broken.json'), '{');
    await expect(plan('--model', join(dir, 'broken.json'), ...usual.slice(2))).rejects.toThrow(/is not JSON/);
    await expect(plan('--model', join(dir), ...usual.slice(2))).rejects.toThrow(/no model configuration/);
  });
});
