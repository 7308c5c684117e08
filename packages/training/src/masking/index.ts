export { maskedCount, maskSequence } from './mask-tokens.ts';
