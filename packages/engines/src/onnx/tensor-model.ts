/** What answers inference calls: one model with its requests joined, or something built from such. */
import type { InferCall } from '../oip/parse-infer.ts';
import type { WireTensor } from '../oip/wire-tensor.ts';
import type { TensorSignature } from './tensor-signature.ts';

export interface TensorModel extends AsyncDisposable {
  readonly signature: TensorSignature;
  /** The outputs that the call names, all where it names none. A call whose signal aborts may stay unanswered. */
  infer(call: InferCall, signal: AbortSignal): Promise<readonly WireTensor[]>;
  stats(): object;
}
