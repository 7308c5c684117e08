import { readFile, readdir } from 'node:fs/promises';
import { endpointCreate, jobSpecSchema } from '@gantry/contract';
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

  test('there are a training job, a torch job and a served model', () => {
    expect(files).toEqual(
      expect.arrayContaining(['quickstart.yaml', 'torchrun.yaml', 'served-model.endpoint.yaml']),
    );
  });
});
