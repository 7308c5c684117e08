export {
  exportModel,
  type ExportedFile,
  type ExportModelOptions,
  type ModelWeights,
} from './export-model.ts';
