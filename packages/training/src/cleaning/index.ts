export {
  DocumentCleaner,
  type CleaningOptions,
  type CleaningVerdict,
  type DropReason,
} from './document-cleaner.ts';
export { qualityRules, type QualityRuleName } from './quality-rules.ts';
