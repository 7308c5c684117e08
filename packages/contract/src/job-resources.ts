/** What one rank of a job asks for. */
import { z } from 'zod';
import { byteSizeSchema } from './common.ts';

/** Whole devices, or a part of one: work that shares a device is placed together and trusted to keep to its part. */
const gpuCountSchema = z
  .number()
  .min(0)
  .max(100_000)
  .refine((gpu) => Number.isInteger(gpu) || (gpu < 1 && Number.isInteger(Math.round(gpu * 1e9) / 1e6)), {
    message: 'is a number of whole devices, or a part of one in thousandths like 0.25',
  });

/** What one replica asks for. `cpu` in cores (0.5 allowed), `gpu` devices, a part of one, or slices of `gpuProfile`. */
export const resourcesSchema = z
  .strictObject({
    cpu: z.number().positive().max(4096).default(1),
    memory: byteSizeSchema.default(1024 ** 3),
    storage: byteSizeSchema.optional(),
    gpu: gpuCountSchema.default(0),
    gpuModel: z.string().max(100).optional(),
    /** Whole devices: the smallest that will do. A part of one: what of its memory is taken. */
    gpuMemory: byteSizeSchema.optional(),
    /** Slices of divided GPUs instead of whole ones, like `1g.10gb`; `gpu` is how many. */
    gpuProfile: z.string().min(1).max(40).optional(),
  })
  .refine(({ gpu, gpuProfile }) => gpuProfile === undefined || gpu >= 1, {
    path: ['gpuProfile'],
    message: 'says which slices: say with `gpu` how many',
  });
