export { bigramLoss, type TokenArray } from './bigram-loss.ts';
export { cutTail, documentsOf, type DocumentsResult } from './documents.ts';
export { chooseValidationFiles, type SizedFile } from './split-files.ts';
