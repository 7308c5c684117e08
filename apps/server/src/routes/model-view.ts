/** How models and their versions are shown. */
import type { ModelVersion } from '@gantry/contract';
import {
  type ModelStatusRecord,
  type ModelVersionRecord,
  type ModelVersionStatusRecord,
  gateVerdict,
} from '@gantry/control';
import type { Row } from '@gantry/ports';
import { base } from './base.ts';

export const toModel = (row: Row, tenant: string) => {
  const { aliases, latest, gate } = row.status as ModelStatusRecord;
  return {
    ...base(row, tenant),
    aliases: { ...aliases },
    ...(latest === 0 ? {} : { latest }),
    ...(gate === undefined ? {} : { gate }),
  };
};

export const toVersion = (row: Row, model: Row): ModelVersion => {
  const spec = row.spec as ModelVersionRecord;
  const status = row.status as ModelVersionStatusRecord;
  return {
    id: row.id,
    createdAt: row.createdAt,
    ...spec,
    formats: [...spec.formats],
    files: spec.files.map((file) => ({ ...file })),
    metrics: { ...spec.metrics },
    lineage: { ...spec.lineage },
    gate: gateVerdict((model.status as ModelStatusRecord).gate, spec, status),
    evaluations: [...(status.evaluations ?? [])],
  };
};

/** By file name. */
export const modelFormats: readonly (readonly [RegExp, string])[] = [
  [/\.safetensors$/, 'safetensors'],
  [/\.gguf$/, 'gguf'],
  [/\.onnx$/, 'onnx'],
];
