/** From a model file of 200 MB to its first token, beyond the start of the process and its imports. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGguf, quantiseGguf } from '@gantry/conversion';
import { wholeFile } from '@gantry/formats';
import { writePermutationModel } from '@gantry/engines/testing';
import type { BenchLine } from '../bench-line.ts';
import { startNode } from './child-node.ts';
import { median } from './gateway-cost.ts';
import { servingLine } from './serving-line.ts';

const rounds = 3;

export async function coldStart(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'gcs-'));
  try {
    const path = join(folder, 'model.gguf');
    await writePermutationModel(path, { layers: 10, width: 1_024 });
    writeFileSync(path, wholeFile(quantiseGguf(openGguf(readFileSync(path)), 'F16').file));
    const megabytes = Math.round(statSync(path).size / 1e6);
    const script = join(import.meta.dirname, 'llm-process.ts');
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await using child = await startNode([script, path, '4', '512']);
      times.push(Number(child.hello['readyMs']));
    }
    const name = `first token of a GGUF of ${megabytes} MB, loaded and warm`;
    const ours = median(times);
    return [
      servingLine(`cold start: ${name}`, ours, undefined, undefined, '<= 500', ours <= 500, 'ms', times),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
