/**
 * Work on models that a job does instead of training or a command: another format or smaller weights as a new
 * version, or how near a version is to what it was made from.
 */
import { z } from 'zod';
import { nameSchema } from './common.ts';

const modelReference = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}(@[a-z0-9-]{1,63})?$/,
    'must name a model, like llama, llama@3 or llama@production',
  )
  .meta({
    description: 'a registered model; what an alias or the newest is, is settled when the job is submitted',
  });
const filePath = z.string().min(1).max(4096);

export const modelFormats = ['gguf', 'safetensors', 'onnx'] as const;
export type ModelFormat = (typeof modelFormats)[number];

/** A plan comes out of a build and goes into nothing else. */
export const convertTargets = [...modelFormats, 'tensorrt-plan'] as const;
export type ConvertTarget = (typeof convertTargets)[number];

/** What each kind of file can keep its matrices in. */
export const weightTypes = {
  gguf: [
    'F32',
    'F16',
    'BF16',
    'Q8_0',
    'Q6_K',
    'Q5_K_M',
    'Q5_K',
    'Q4_K_M',
    'Q4_K',
    'Q4_0',
    'Q3_K_M',
    'Q3_K',
    'Q2_K',
  ],
  safetensors: ['F32'],
  onnx: ['F32', 'int8', 'int8-weights', 'int4-weights', 'fp16-weights', 'int8-static', 'int16-activations'],
  'tensorrt-plan': ['F32', 'F16', 'BF16', 'int8', 'fp8'],
} as const satisfies Record<ConvertTarget, readonly string[]>;
export type WeightType = (typeof weightTypes)[ConvertTarget][number];
const allTypes = [...new Set(Object.values(weightTypes).flat())];

/** How the range of an activation follows from samples. */
export const calibrationMethods = ['minmax', 'percentile', 'entropy'] as const;
export type CalibrationMethod = (typeof calibrationMethods)[number];

const planSizes = z.array(z.number().int().min(1).max(1_048_576)).min(1).max(8);

export const convertSchema = z
  .strictObject({
    model: modelReference.optional(),
    /** A file or folder instead, relative to the working directory. */
    path: filePath.optional(),
    /** That of the source unless given. */
    format: z.enum(convertTargets).optional(),
    /** Of the matrices; F16 in a GGUF or a plan and F32 elsewhere unless given. */
    type: z.enum(allTypes).optional(),
    /** Samples as rows (.jsonl of Open Inference Protocol requests), for `int8-static`, `int16-activations` and plans of `int8`. */
    calibrate: z
      .strictObject({
        data: filePath,
        method: z.enum(calibrationMethods).default('entropy'),
        /** A plan whose calibration is taken over if it is of the same model, samples and method. */
        reuse: modelReference.optional(),
      })
      .optional(),
    /** How a TensorRT plan is built, on the kind of device that it is for. */
    tensorrt: z
      .strictObject({
        /** trtexec, or any command that takes its flags: a container's, a wrapper. */
        program: z.array(z.string().min(1).max(1_000)).min(1).max(32).default(['trtexec']),
        arguments: z.array(z.string().max(1_000)).max(64).default([]),
        /** Sizes of inputs whose sizes vary, by input. */
        shapes: z
          .record(
            z.string().min(1).max(200),
            z.strictObject({ least: planSizes, usual: planSizes, most: planSizes }),
          )
          .default({}),
      })
      .optional(),
    /** How a PyTorch, TensorFlow or JAX model is read: by a Python of the machine, behind walls. */
    python: z
      .strictObject({
        interpreter: z.string().min(1).max(4096).default('python3'),
        /** Of the ONNX file. */
        opset: z.number().int().min(13).max(25).default(18),
        /** What the model takes: it is traced with an example. A size that is a name may vary. */
        inputs: z
          .array(
            z.strictObject({
              name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.]{0,99}$/, 'must be a name'),
              shape: z
                .array(z.union([z.number().int().min(1), z.string().regex(/^[a-z][a-z0-9_]{0,39}$/)]))
                .max(16),
              datatype: z
                .enum(['FP32', 'FP16', 'FP64', 'INT8', 'UINT8', 'INT32', 'INT64', 'BOOL'])
                .default('FP32'),
            }),
          )
          .max(64)
          .default([]),
      })
      .optional(),
  })
  .refine(({ model, path }) => (model === undefined) !== (path === undefined), {
    message: 'needs exactly one of "model" and "path"',
  })
  .refine(({ format, type }) => format !== undefined || type !== undefined, {
    message: 'needs a "format" or a "type"',
  })
  .refine(
    ({ format, type }) =>
      format === undefined || type === undefined || (weightTypes[format] as readonly string[]).includes(type),
    { path: ['type'], message: 'is not kept in files of this format' },
  )
  .refine(({ format, tensorrt }) => tensorrt === undefined || format === 'tensorrt-plan', {
    path: ['tensorrt'],
    message: 'goes with the format tensorrt-plan',
  });
export type ConvertSpec = z.output<typeof convertSchema>;

export const evaluateSchema = z
  .strictObject({
    model: modelReference,
    /** What it must be near to: the version that it was made from, where the platform knows it, unless given. */
    against: modelReference.optional(),
    /** Text that neither was trained on; `.jsonl`: rows for a tensor model, each with a `label` if it is known. */
    data: filePath,
    /** Of a text: so many characters of it count. */
    characters: z.number().int().min(100).max(10_000_000).default(50_000),
    /** Characters that are scored together. */
    window: z.number().int().min(16).max(100_000).default(800),
    /** The endpoint that serves `model`, asked instead of computing it: for what no engine of the job reads. */
    through: nameSchema.optional(),
    /** Likewise the endpoint that serves `against`. */
    againstThrough: nameSchema.optional(),
    /** Of a text: where a server does not score prompts it is asked at so many places what comes next. */
    places: z.number().int().min(1).max(100_000).default(256),
  })
  .refine(({ through, againstThrough }) => againstThrough === undefined || through !== undefined, {
    path: ['againstThrough'],
    message: 'goes with `through`: both are asked alike',
  });
export type EvaluateSpec = z.output<typeof evaluateSchema>;
