export { exportModel, type ExportedFile, type ExportModelOptions } from './export-model.ts';
export type { ModelWeights } from './export-form.ts';
