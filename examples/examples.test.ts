import { readFile, readdir } from 'node:fs/promises';
import { endpointCreate, jobFileSchema, jobSpecSchema } from '@gantry/contract';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const folder = import.meta.dirname;
const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).toSorted();

describe('every example is accepted by the contract', () => {
  test.each(files)('%s', async (name) => {
    const schema = name.endsWith('.endpoint.yaml') ? endpointCreate : jobSpecSchema;
    const result = schema.safeParse(parse(await readFile(`${folder}/${name}`, 'utf8')));
    expect(result.error?.issues ?? []).toEqual([]);
  });

  test.each(files.filter((name) => !name.endsWith('.endpoint.yaml')))('%s names its schema', async (name) => {
    const text = await readFile(`${folder}/${name}`, 'utf8');
    const schema = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text)?.[1] ?? 'missing';
    expect(JSON.parse(await readFile(`${folder}/${schema}`, 'utf8'))).toMatchObject({
      title: jobFileSchema()['title'],
    });
  });

  test('there are a training job, a torch job and a served model', () => {
    expect(files).toEqual(
      expect.arrayContaining(['quickstart.yaml', 'torchrun.yaml', 'served-model.endpoint.yaml']),
    );
  });
});
