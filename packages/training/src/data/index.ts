export { bigramLoss, type TokenArray } from './bigram-loss.ts';
export { cutTail, documentsOf, type DocumentsResult } from './documents.ts';
export { cutDocuments, packingOrder } from './packing-order.ts';
export { createSequenceIndex, type SequenceIndex } from './sequence-index.ts';
export { chooseValidationFiles, type SizedFile } from './split-files.ts';
