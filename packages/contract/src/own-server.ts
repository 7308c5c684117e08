/** A model server that is not ours, started and watched as ours are. */
import { z } from 'zod';
import { imageFields, imageIsMissing, isImageWhole } from './container-image.ts';

/**
 * A server of your own in place of ours: vLLM, SGLang, Triton, llama-server or any other that speaks OpenAI's dialect
 * or the Open Inference Protocol over HTTP. `$PORT`, `$MODEL_PATH` (the version's folder, or its only file),
 * `$MODEL_FILE` (of several its GGUF, ONNX file or plan) and `$MODEL_NAME` are filled in, also in its environment.
 */
const ownServerFields = z.strictObject({
  /** With an image it may be empty: then what the image starts by itself. */
  command: z.array(z.string().max(10_000)).max(256).default([]),
  ...imageFields,
  /** Where a server in an image listens, whatever it is told; absent: it takes `$PORT`. */
  containerPort: z.number().int().min(1).max(65_535).optional(),
  /**
   * `own`: nothing in it but a loopback, and the gateway alone reaches the server; `shared`: the machine's, with all
   * who are on it. Absent: `own` where this machine can and the command names the model's files, so it has nothing to fetch.
   */
  network: z.enum(['own', 'shared']).optional(),
  /** Answers 200 when it can serve. */
  healthPath: z.string().startsWith('/').max(500).default('/health'),
  /** Given up when it is not healthy after so long. */
  startSeconds: z.number().int().min(1).max(86_400).default(600),
  /** The name that it knows the model by; absent: the version's, `name@3`. */
  modelName: z.string().min(1).max(200).optional(),
  /** Which TensorRT it has, like 10.3.0: plans load in the version that built them only. */
  tensorrt: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, 'must be a version like 10.3.0')
    .optional(),
});
export const ownServerSchema = ownServerFields
  .refine(({ command, image }) => command.length > 0 || image !== undefined, {
    path: ['command'],
    message: 'is missing: a server is a command, or an image',
  })
  .refine(isImageWhole, imageIsMissing)
  .refine(({ image, containerPort }) => image !== undefined || containerPort === undefined, {
    path: ['containerPort'],
    message: 'is for a server in an image',
  });
export type OwnServer = z.output<typeof ownServerSchema>;
