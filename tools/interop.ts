/**
 * `npm run test:interop [CHECK…]`: foreign programs judge what Gantry makes and runs. torch, transformers,
 * accelerate, safetensors and the openai and tritonclient clients come from PyPI into a cached environment; Python is needed
 * for this alone. Not part of `npm test`.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Check } from './interop/check.ts';
import { decoderFamilies } from './interop/checks/decoder-families.ts';
import { llamaQuantize } from './interop/checks/llama-quantize.ts';
import { llamaServer } from './interop/checks/llama-server.ts';
import { foreignModels } from './interop/checks/foreign-models.ts';
import { ggufBlocks } from './interop/checks/gguf-blocks.ts';
import { ggufFamilies } from './interop/checks/gguf-families.ts';
import { largeModel } from './interop/checks/large-model.ts';
import { llamaOnnx } from './interop/checks/llama-onnx.ts';
import { openaiClient } from './interop/checks/openai-client.ts';
import { openaiServers } from './interop/checks/openai-servers.ts';
import { plannerLaunch } from './interop/checks/planner-launch.ts';
import { s3Server } from './interop/checks/s3-server.ts';
import { sentencePiece } from './interop/checks/sentencepiece.ts';
import { tensorClient } from './interop/checks/tensor-client.ts';
import { tensorServers } from './interop/checks/tensor-servers.ts';
import { tokenizerForms } from './interop/checks/tokenizer-forms.ts';
import { torchElastic } from './interop/checks/torch-elastic.ts';
import { torchExamples } from './interop/checks/torch-examples.ts';
import { torchFamilies } from './interop/checks/torch-families.ts';
import { torchGradients } from './interop/checks/torch-gradients.ts';
import { torchOptimizers } from './interop/checks/torch-optimizers.ts';
import { torchResume } from './interop/checks/torch-resume.ts';
import { transformersExport } from './interop/checks/transformers-export.ts';
import { type Platform, bootPlatform } from './interop/platform.ts';
import { pythonEnvironment } from './interop/python-environment.ts';

const checks: Readonly<Record<string, Check>> = {
  'torch-gradients': torchGradients,
  'torch-families': torchFamilies,
  'torch-optimizers': torchOptimizers,
  'planner-launch': plannerLaunch,
  'openai-client': openaiClient,
  'tensor-client': tensorClient,
  'tensor-servers': tensorServers,
  'llama-server': llamaServer,
  'openai-servers': openaiServers,
  'transformers-export': transformersExport,
  'llama-onnx': llamaOnnx,
  'decoder-families': decoderFamilies,
  'tokenizer-forms': tokenizerForms,
  sentencepiece: sentencePiece,
  'gguf-blocks': ggufBlocks,
  'gguf-families': ggufFamilies,
  'llama-quantize': llamaQuantize,
  'large-model': largeModel,
  'foreign-models': foreignModels,
  'torch-examples': torchExamples,
  'torch-resume': torchResume,
  'torch-elastic': torchElastic,
  's3-server': s3Server,
};
/** Ten gigabytes and minutes: run when it is named. */
const isLarge = (name: string): boolean => name === 'large-model';
const say = (line: string): boolean => process.stdout.write(`  ${line}\n`);

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(checks, name));
if (unknown.length > 0) {
  process.stderr.write(`no check "${unknown.join('", "')}"; there are ${Object.keys(checks).join(', ')}\n`);
  process.exit(2);
}
const dir = await mkdtemp(join(tmpdir(), 'gantry-interop-'));
let booted: Promise<Platform> | undefined;
let failed = 0;
try {
  const python = await pythonEnvironment(say);
  // Jobs that say `python3` or `torchrun` get this environment's, as a user's activated environment would.
  process.env['PATH'] = `${dirname(python)}${delimiter}${process.env['PATH'] ?? ''}`;
  for (const [name, check] of Object.entries(checks)) {
    if (wanted.length > 0 ? !wanted.includes(name) : isLarge(name)) continue;
    const startedAt = performance.now();
    const seconds = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(0)} s`;
    try {
      await mkdir(join(dir, name));
      const platform = (): Promise<Platform> => (booted ??= bootPlatform(join(dir, 'platform')));
      const saw = await check({ python, dir: join(dir, name), platform });
      say(`✓ ${name} (${seconds()})  ${saw}`);
    } catch (error) {
      failed += 1;
      say(`✗ ${name} (${seconds()})  ${error instanceof Error ? error.message : String(error)}`);
    }
  }
} catch (error) {
  failed += 1;
  say(error instanceof Error ? error.message : String(error));
} finally {
  await (await booted?.catch(() => undefined))?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);
