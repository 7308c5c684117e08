import { createRandom } from '@gantry/kit';
import { DriftMonitor, type DriftSample } from '@gantry/serving';
import { afterEach, describe, expect, it } from 'vitest';
import { createFakeEngine, type Answer } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until } from '../testing/gateway-harness.ts';
import { readTensors } from './read-tensors.ts';
import { embeddingPoint, saidText } from './said-text.ts';

const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of stack.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

/** A gateway whose clock stands 20 ms later at every request, so that each of them is sketched. */
async function seeing(answer: Answer) {
  const samples: DriftSample[] = [];
  let nowMs = 0;
  const engine = await createFakeEngine(answer);
  const harness = await createGatewayHarness({
    now: () => nowMs,
    random: () => 0.5,
    onSketch: ({ sample }) => samples.push(sample),
  });
  stack.push(engine, harness);
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const ask = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    nowMs += 20;
    const response = await harness.post(path, body, { headers });
    await response.arrayBuffer();
    return response.status;
  };
  return { samples, ask };
}

const json =
  (value: unknown): Answer =>
  (_received, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));

describe('a sketch of a request', () => {
  it('has prompt and answer as points, streamed or whole', async () => {
    const { samples, ask } = await seeing(({ body }, response) => {
      const text = 'the invoice is paid';
      if (body['stream'] !== true) {
        json({ choices: [{ message: { role: 'assistant', content: text } }] })({} as never, response);
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const word of text.split(' '))
        response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: `${word} ` } }] })}\n\n`);
      response.end('data: [DONE]\n\n');
    });
    const messages = [{ role: 'user', content: 'is my invoice paid' }];
    expect(await ask('/v1/chat/completions', { model: 'chat', messages })).toBe(200);
    expect(await ask('/v1/chat/completions', { model: 'chat', messages, stream: true })).toBe(200);
    await until(() => samples.length === 2);
    const [whole, streamed] = samples;
    expect(Object.keys(whole?.points ?? {})).toEqual(['prompt', 'answer']);
    expect(streamed?.points?.['answer']).toEqual(whole?.points?.['answer']);
    expect(whole?.kinds).toEqual({ outcome: 'answered' });
  });

  it('of tensors has their type, extents and values, JSON or binary', async () => {
    const outputs = [{ name: 'y', datatype: 'FP32', shape: [1, 3], data: [0.1, 0.7, 0.2] }];
    const { samples, ask } = await seeing(json({ model_name: 'm', outputs }));
    const asJson = { inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 6] }] };
    await ask('/v2/models/chat/infer', asJson);
    const head = JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], parameters: { binary_data_size: 16 } }],
    });
    const raw = Buffer.from(Float32Array.of(1, 2, 3, 6).buffer);
    await ask('/v2/models/chat/infer', Buffer.concat([Buffer.from(head), raw]), {
      'inference-header-content-length': String(head.length),
      'content-type': 'application/octet-stream',
    });
    await until(() => samples.length === 2);
    expect(samples[0]?.numbers).toMatchObject({
      'input.x.extent0': 2,
      'input.x.mean': 3,
      'input.x.value': 3,
      'output.y.extent1': 3,
    });
    expect(samples[0]?.kinds).toMatchObject({
      'input.x.type': 'FP32 of 2 dimensions',
      'output.y.largest': '1',
    });
    expect(samples[1]?.numbers).toEqual(samples[0]?.numbers);
  });

  it('is made of at most fifty requests a second, whatever comes', async () => {
    const { samples, ask } = await seeing(json({ choices: [] }));
    await ask('/v1/completions', { model: 'chat', prompt: 'a' });
    await until(() => samples.length === 1);
    const busy: DriftSample[] = [];
    const engine = await createFakeEngine(json({ choices: [] }));
    const still = await createGatewayHarness({ now: () => 0, onSketch: ({ sample }) => busy.push(sample) });
    stack.push(engine, still);
    still.gateway.setRoutes('acme', [chatRoute(engine)]);
    for (let request = 0; request < 5; request++)
      await still.post('/v1/completions', { model: 'chat', prompt: 'a' });
    await until(() => busy.length > 0);
    expect(busy).toHaveLength(1);
  });
});

describe('drift of a tensor model', () => {
  /** Inputs about `mean`, as a JSON body; the answer names class 2 in a share of the requests, else class 0. */
  const random = createRandom(5);
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const drift = async (monitor: DriftMonitor, requests: number, mean: number, share: number) => {
    const found = new Set<string>();
    const { samples, ask } = await seeing((_received, response) => {
      const data = random.next() < share ? [0.1, 0.2, 0.7] : [0.7, 0.2, 0.1];
      json({ model_name: 'm', outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 3], data }] })(
        {} as never,
        response,
      );
    });
    for (let request = 0; request < requests; request++) {
      const data = Array.from({ length: 8 }, () => mean + normal());
      await ask('/v2/models/chat/infer', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 8], data }] });
    }
    await until(() => samples.length === requests);
    for (const sample of samples)
      for (const { feature, hasDrifted } of monitor.observe(sample)?.features ?? [])
        if (hasDrifted) found.add(feature);
    return [...found];
  };
  const policy = {
    window: 100,
    falseAlarm: 0.001,
    leastStability: 0.2,
    leastShare: 0.05,
    leastShift: 0.25,
    leastSeen: 80,
  };

  it('is told of inputs that moved and of answers that did, and of nothing where neither did', async () => {
    const monitor = new DriftMonitor(policy);
    expect(await drift(monitor, 300, 0, 0.2)).toEqual([]);
    expect(await drift(monitor, 100, 1, 0.2)).toEqual(
      expect.arrayContaining(['input.x.value', 'input.x.mean']),
    );
    const answers = await drift(monitor, 100, 0, 0.8);
    expect(answers).toContain('output.y.largest');
    expect(answers.filter((feature) => feature.startsWith('input'))).toEqual([]);
    expect(await drift(monitor, 100, 0, 0.2)).toEqual([]);
  });
});

describe('what is read of an answer', () => {
  it('is its text in every dialect, and no more than asked for', () => {
    expect(saidText(Buffer.from('{"choices":[{"text":"a \\"b\\"\\n"},{"text": "c"}]}'), 100)).toBe(
      'a "b"\nc',
    );
    expect(saidText(Buffer.from('data: {"type":"response.output_text.delta","delta":"snow"}\n\n'), 2)).toBe(
      'sn',
    );
    expect(saidText(Buffer.from('{"content":null}'), 10)).toBe('');
  });

  it('is an embedding where it holds one', () => {
    const values = Array.from({ length: 100 }, (_, index) => index / 8);
    const point = embeddingPoint(Buffer.from(JSON.stringify({ data: [{ embedding: values }] })));
    expect([...(point ?? [])]).toEqual(values.slice(0, 64));
    expect(embeddingPoint(Buffer.from('{"embedding":"AAAA"}'))).toBeUndefined();
  });

  it('is no tensor where the body is none, lies about its lengths or is cut off', () => {
    const tensor = '{"name":"x","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}';
    for (const [body, length] of [
      ['', undefined],
      ['[]', undefined],
      ['null', undefined],
      ['{"inputs":[1]}', undefined],
      [`{"inputs":[${tensor}]}`, undefined],
      [`{"inputs":[${tensor}]}`, '9999'],
      [`{"inputs":[${tensor}]}`, '-1'],
    ] as const)
      expect(readTensors(Buffer.from(body), length, 'inputs').tensors).toEqual([]);
  });
});
