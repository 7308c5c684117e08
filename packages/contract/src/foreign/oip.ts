/**
 * The Open Inference Protocol's REST dialect (kserve/open-inference-protocol, `inference_rest.md`). The binary
 * tensor extension (Triton) puts raw tensors behind the JSON and says where it ends in a header.
 */
import { z } from 'zod';

const tensorTypes = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BF16',
  'BYTES',
] as const;

/** Sent in place of `content-type: application/json` bodies: bytes of JSON before the raw tensors. */
export const binaryHeader = 'inference-header-content-length';

const parameters = z.record(z.string(), z.unknown()).optional();

export const inferTensor = z.looseObject({
  name: z.string().min(1),
  datatype: z.enum(tensorTypes),
  shape: z.array(z.int().min(0)).max(16),
  parameters,
  /** Absent where the values come in binary. */
  data: z.array(z.unknown()).optional(),
});
