/**
 * The worker kind `convert`: a model's files in, those of another format or with smaller weights out, registered by
 * the platform from the report. Without a platform (`to` in its spec) it writes where it is told and says so on stdout.
 */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { ConvertSpec } from '@gantry/contract';
import { gantryVersion, formatBytes } from '@gantry/kit';
import { convertSource, type Converted, wishOf } from './convert-source.ts';
import { convertForeign, isForeign } from './foreign/foreign-model.ts';
import { findModel } from './model-source.ts';
import { buildPlan } from './tensorrt/build-plan.ts';
import { WorkError } from './work-error.ts';
import { finishWork, readWorkSpec, type Environment } from './work-spec.ts';
import { report } from './work-reports.ts';
import { sizeOf, writeMade } from './write-files.ts';

interface ConversionSpec {
  readonly convert: ConvertSpec;
  /** Folders of registered versions, by `name@3`. */
  readonly models?: Readonly<Record<string, string>>;
  /** A file, or of safetensors a folder; that of the run unless given. */
  readonly to?: string;
}

export function runConversion(env: Environment): Promise<number> {
  return finishWork(env, async () => {
    const spec = await readWorkSpec<ConversionSpec>(env);
    const { convert, models = {}, to } = spec;
    const { model, path } = convert;
    const from = (model === undefined ? path : models[model]) ?? '';
    const {
      wish,
      versions,
      files,
      beside = [],
      steps,
      bytesBefore,
      cleanUps = [],
      tensors,
      plan,
    } = await convertFrom(from, spec);
    const bytesAfter = files.reduce((sum, file) => sum + sizeOf(file), 0);
    const isFile = to !== undefined && (files.length === 1 || isNamed(to));
    const folder = isFile ? dirname(to) : (to ?? join(env['GANTRY_RUN_DIR'] ?? '.', 'export'));
    await mkdir(folder, { recursive: true });
    const [main, ...others] = files;
    if (main !== undefined) await writeMade(folder, isFile ? { ...main, name: basename(to) } : main);
    for (const file of isFile ? others : [...others, ...beside]) await writeMade(folder, file);
    const worst = Math.max(0, ...tensors.map(({ relativeError }) => relativeError));
    for (const { name, relativeError } of tensors.filter((tensor) => tensor.relativeError > 0))
      process.stderr.write(`${name}: ${(relativeError * 100).toFixed(2)} % off\n`);
    await report(env, {
      type: 'artifact',
      kind: 'model',
      path: folder,
      formats: [wish.format],
      metrics: { bytesBefore, bytesAfter, worstRelativeError: worst },
      lineage: {
        tool: steps.join(', '),
        ...(cleanUps.length === 0 ? {} : { cleanUps }),
        ...(plan === undefined ? {} : { plan }),
        options: { ...convert, format: wish.format, type: wish.type },
        versions: { gantry: gantryVersion, node: process.version, ...versions },
      },
    });
    const sizes = `${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)}`;
    process.stdout.write(
      to === undefined
        ? `${steps.join(', ')}: ${sizes}\n`
        : `${JSON.stringify({ type: wish.type, steps, bytesBefore, bytesAfter, cleanUps, tensors })}\n`,
    );
  });
}

/** A target that says by its name that it is a file. */
const isNamed = (to: string): boolean => ['.onnx', '.gguf'].includes(extname(to));

/** Of a plan: what it is tied to. */
interface Outcome extends Converted {
  readonly wish: { readonly format: string; readonly type: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly plan?: object;
}

async function convertFrom(from: string, { convert, models = {}, to }: ConversionSpec): Promise<Outcome> {
  if (convert.model === undefined && (await isForeign(from))) {
    const wish = { format: 'onnx', type: 'F32' } as const;
    if ((convert.format ?? 'onnx') !== 'onnx' || (convert.type ?? 'F32') !== 'F32')
      throw new WorkError(
        'not_possible',
        `${from} becomes ONNX first`,
        'format: onnx; then convert the version',
      );
    return { wish, ...(await convertForeign(convert)) };
  }
  const found = await findModel(from);
  // Where the platform keeps a version is nothing to its user.
  const source = { ...found, path: convert.model ?? found.path };
  if (convert.format === 'tensorrt-plan') {
    const built = await buildPlan(source, convert, models);
    return { wish: { format: convert.format, type: built.type }, ...built };
  }
  const wish = wishOf(convert, source, to !== undefined && isNamed(to) ? basename(to) : undefined);
  return { wish, versions: {}, ...(await convertSource(source, wish)) };
}
