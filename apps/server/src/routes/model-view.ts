/** How models and their versions are shown. */
import type { ModelVersion } from '@gantry/contract';
import type { ModelStatusRecord, ModelVersionRecord } from '@gantry/control';
import type { Row } from '@gantry/ports';
import { base } from './base.ts';

export const toModel = (row: Row, tenant: string) => {
  const { aliases, latest } = row.status as ModelStatusRecord;
  return { ...base(row, tenant), aliases: { ...aliases }, ...(latest === 0 ? {} : { latest }) };
};

export const toVersion = (row: Row): ModelVersion => {
  const spec = row.spec as ModelVersionRecord;
  return {
    id: row.id,
    createdAt: row.createdAt,
    ...spec,
    formats: [...spec.formats],
    files: spec.files.map((file) => ({ ...file })),
    metrics: { ...spec.metrics },
    lineage: { ...spec.lineage },
  };
};

/** By file name. */
export const modelFormats: readonly (readonly [RegExp, string])[] = [
  [/\.safetensors$/, 'safetensors'],
  [/\.gguf$/, 'gguf'],
  [/\.onnx$/, 'onnx'],
];
