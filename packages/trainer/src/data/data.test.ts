import { appendFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  openDataset,
  prepareDataset,
  ShardSet,
  type PreparedDataset,
  type PrepareDatasetOptions,
} from './index.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'gantry-data-'));
});
afterEach(async () => rm(cwd, { recursive: true, force: true }));

const sentence = 'The scheduler places a gang or none of it, and says why it waits.\n';
const put = async (files: Readonly<Record<string, string | Uint8Array>>): Promise<void> => {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(cwd, path, '..'), { recursive: true });
    await writeFile(join(cwd, path), content);
  }
};
const from = (...patterns: string[]): Pick<PrepareDatasetOptions, 'sources'> => ({
  sources: [{ name: 'data', patterns, weight: 1 }],
});
const prepare = (changes: Partial<PrepareDatasetOptions> = {}): ReturnType<typeof prepareDataset> =>
  prepareDataset({
    ...from('docs/**/*.md'),
    cleaning: undefined,
    cwd,
    outDir: join(cwd, 'out'),
    vocabularySize: 300,
    sequenceLength: 16,
    validationFraction: 0.25,
    seed: 1,
    ...changes,
  });

/** One sequence is as long as the shard. */
const allTokens = (data: PreparedDataset): number[] => {
  const time = data.train.tokens - 1;
  using set = new ShardSet(data.train.shards, time);
  const rows = { tokens: new Uint32Array(time * 2), targets: new Uint32Array(time * 2) };
  set.fill(0, rows, 0);
  const lows = (values: Uint32Array): number[] => [...values].filter((_, index) => index % 2 === 0);
  return [rows.tokens[0] as number, ...lows(rows.targets)];
};

describe('prepareDataset', () => {
  it('packs text into shards that decode to the documents, split by file', async () => {
    await put({
      'docs/a.md': sentence.repeat(8),
      'docs/b.md': `b ${sentence.repeat(3)}`,
      'docs/c/d.md': `d ${sentence.repeat(4)}`,
    });
    const data = await prepare();
    expect(data.files.map(({ path, use }) => [path, use])).toContainEqual(['docs/a.md', 'train']);
    expect(data.files.filter(({ use }) => use === 'validation')).toHaveLength(1);
    const tokens = allTokens(data);
    expect(tokens[0]).toBe(data.eosId);
    expect(tokens).toHaveLength(data.train.tokens);
    expect(data.tokenizer.decode([...tokens])).toContain(sentence.repeat(8));
    expect(data.bigramLoss).toBeGreaterThan(0);
    expect(data.bigramLoss).toBeLessThan(Math.log(data.vocabularySize));
  });

  it('gives the same digest for the same files and is opened as it was written', async () => {
    await put({ 'docs/a.md': sentence.repeat(8), 'docs/b.md': `b${sentence.repeat(8)}` });
    const once = await prepare();
    const twice = await prepare({ outDir: join(cwd, 'other') });
    expect(twice.manifestDigest).toBe(once.manifestDigest);
    expect((await openDataset(once.directory))?.train).toEqual(once.train);
    expect(await openDataset(join(cwd, 'nowhere'))).toBeUndefined();
  });

  it('reads JSON Lines and cuts a single file in two', async () => {
    const lines = Array.from({ length: 20 }, (_, index) => JSON.stringify({ text: `${index} ${sentence}` }));
    await put({ 'docs/a.jsonl': lines.join('\n') });
    const data = await prepare(from('docs/a.jsonl'));
    expect(data.files).toMatchObject([{ path: 'docs/a.jsonl', use: 'both' }]);
    expect(data.validation.tokens).toBeGreaterThan(16);
  });

  it('leaves binary, empty and duplicate files out and says so', async () => {
    await put({
      'docs/a.md': sentence.repeat(8),
      'docs/b.md': `b ${sentence.repeat(8)}`,
      'docs/copy.md': sentence.repeat(8),
      'docs/empty.md': ' \n',
      'docs/image.md': Uint8Array.of(1, 0, 2),
    });
    const { files } = await prepare();
    expect(files.filter(({ use }) => use === 'skipped').map(({ path, reason }) => [path, reason])).toEqual([
      ['docs/copy.md', 'duplicate'],
      ['docs/empty.md', 'empty'],
      ['docs/image.md', 'binary'],
    ]);
  });

  it.each([
    ['data_missing', {}, {}],
    ['data_empty', { 'docs/a.md': '' }, {}],
    ['data_binary', { 'docs/a.md': Uint8Array.of(0, 1) }, {}],
    ['data_invalid', { 'docs/a.jsonl': '{' }, from('docs/*.jsonl')],
    ['data_too_short', { 'docs/a.md': 'short', 'docs/b.md': 'shorter' }, {}],
  ] as const)('refuses with %s', async (code, files, changes) => {
    await put(files);
    await expect(prepare(changes)).rejects.toMatchObject({ code, hint: expect.any(String) as string });
    expect(await openDataset(join(cwd, 'out'))).toBeUndefined();
  });

  it('names each pattern that matches nothing', async () => {
    await put({ 'docs/a.md': sentence.repeat(8) });
    await expect(prepare(from('docs/*.md', 'text/*.md'))).rejects.toMatchObject({
      code: 'data_missing',
      message: expect.stringContaining('text/*.md') as string,
    });
  });

  it('refuses a file that changes between learning and encoding', async () => {
    await put({ 'docs/a.md': sentence.repeat(8), 'docs/b.md': `b${sentence.repeat(8)}` });
    const onPhase = (phase: string): void => {
      if (phase === 'encode') appendFileSync(join(cwd, 'docs/a.md'), 'one more line');
    };
    await expect(prepare({ onPhase })).rejects.toMatchObject({ code: 'data_changed' });
  });

  it('notices a damaged shard', async () => {
    await put({ 'docs/a.md': sentence.repeat(8), 'docs/b.md': `b${sentence.repeat(8)}` });
    const data = await prepare();
    const { path } = data.train.shards[0] as { path: string };
    const bytes = await readFile(path);
    bytes[4] = (bytes[4] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect(() => allTokens(data)).toThrow(expect.objectContaining({ code: 'data_corrupt' }) as Error);
    await writeFile(path, bytes.subarray(0, 8));
    expect(() => allTokens(data)).toThrow(expect.objectContaining({ code: 'data_corrupt' }) as Error);
  });

  it('names shards by their content and writes equal tokens once', async () => {
    await put({ 'docs/a.md': sentence.repeat(8), 'docs/b.md': `b${sentence.repeat(8)}` });
    const data = await prepare();
    for (const { path, digest } of [...data.train.shards, ...data.validation.shards])
      expect(path.endsWith(`sha256-${digest}.bin`)).toBe(true);
  });
  it('keeps the tokens of several sources apart, each with a part held out', async () => {
    await put({
      'docs/a.md': sentence.repeat(8),
      'docs/b.md': `b ${sentence.repeat(8)}`,
      'more/c.md': `c ${sentence.repeat(30)}`,
    });
    const sources = [
      { name: 'docs', patterns: ['docs/*.md'], weight: 3 },
      { name: 'more', patterns: ['more/*.md', 'docs/a.md'], weight: 1 },
    ];
    const data = await prepare({ sources });
    expect(data.sources).toMatchObject([
      { name: 'docs', weight: 3, shards: 1 },
      { name: 'more', weight: 1, shards: 1 },
    ]);
    expect(data.train.shards.map(({ tokens }) => tokens)).toEqual(data.sources.map(({ tokens }) => tokens));
    expect(data.files.map(({ use }) => use).toSorted()).toEqual(['both', 'train', 'validation']);
  });

  it('lays documents by best fit when asked to: the same tokens, fewer documents cut', async () => {
    const lines = Array.from({ length: 60 }, (_, index) =>
      JSON.stringify({ text: `${index} ${'a gang waits '.repeat(1 + ((index * 7) % 9))}` }),
    );
    await put({ 'docs/a.jsonl': lines.join('\n') });
    const asTheyCome = await prepare({ ...from('docs/a.jsonl'), sequenceLength: 24 });
    const packed = await prepare({
      ...from('docs/a.jsonl'),
      sequenceLength: 24,
      packing: 'best-fit',
      outDir: join(cwd, 'packed'),
    });
    expect(asTheyCome.packing).toBeUndefined();
    const { documents, cut, cutInOrder } = packed.packing ?? expect.fail('it says nothing of its packing');
    expect(documents).toBe(45);
    expect(cut).toBeLessThan(cutInOrder / 2);
    const sorted = (data: PreparedDataset): number[] => allTokens(data).sort((one, other) => one - other);
    expect(sorted(packed)).toEqual(sorted(asTheyCome));
  });

  it('leaves out documents that cleaning drops, and says which and why', async () => {
    const lines = Array.from({ length: 30 }, (_, index) => `${index * 7919} ${index * 104_729} ${sentence}`);
    const documents = [...lines, lines[3]?.toUpperCase(), 'what was asked in the exam: six by seven'];
    await put({
      'docs/a.jsonl': documents.map((text) => JSON.stringify({ text })).join('\n'),
      'exam.txt': 'Six by seven?',
    });
    const data = await prepare({
      ...from('docs/a.jsonl'),
      cleaning: { quality: undefined, duplicates: true, nearDuplicates: undefined, heldOut: ['exam.txt'] },
    });
    expect(data.cleaning).toEqual({ documents: 32, dropped: { duplicate: 1, contaminated: 1 } });
    const dropped = (await readFile(join(data.directory, 'dropped.jsonl'), 'utf8')).trim().split('\n');
    expect(dropped.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { path: 'docs/a.jsonl', document: 31, reason: 'duplicate' },
      { path: 'docs/a.jsonl', document: 32, reason: 'contaminated', detail: 'six by seven' },
    ]);
    const strict = { quality: {}, duplicates: true, nearDuplicates: undefined, heldOut: [] };
    await expect(prepare({ ...from('docs/a.jsonl'), cleaning: strict })).rejects.toMatchObject({
      code: 'data_empty',
      message: expect.stringContaining('Cleaning leaves nothing') as string,
    });
  });
});
