/** What goes into a job and comes out of it: secrets, volumes, uploads, outputs. */
import { z } from 'zod';
import { baseShape, nameSchema, timeSchema } from './common.ts';
import { globPattern } from './glob-pattern.ts';

const environmentName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'must be letters, digits and underscores');

/** `token` becomes the variable TOKEN; the long form names another variable. */
export const secretUseSchema = z.union([
  nameSchema,
  z.strictObject({ name: nameSchema, env: environmentName }),
]);

export const secretSchema = z.object(baseShape);
export const secretWrite = z.strictObject({ value: z.string().min(1).max(65_536) });

const place = z.string().min(1).max(4096);

/** Exactly one source, seen at `mount`: an absolute path, or one below the job's working directory. */
export const volumeSchema = z
  .strictObject({
    name: nameSchema.optional(),
    hostPath: place.optional(),
    nfs: place.optional(),
    /** `s3://bucket/folder`: fetched before the job starts; written back after it when not read-only. */
    s3: place.optional(),
    /** The secret with S3 credentials, as in an AWS credentials file. */
    secret: nameSchema.optional(),
    mount: place.refine(
      (path) => !path.includes('\0') && !path.split('/').includes('..') && !/^\/+$/.test(path),
      'must be a path without ".." that is not the root',
    ),
    readOnly: z.boolean().default(true),
    /** Of an S3 prefix: files whose paths match come when the job asks for them (a `files` report), not before it. */
    onDemand: z.array(globPattern(1000)).min(1).max(20).optional(),
  })
  .refine(
    (volume) =>
      [volume.name, volume.hostPath, volume.nfs, volume.s3].filter((each) => each !== undefined).length === 1,
    { message: 'needs exactly one of name, hostPath, nfs and s3' },
  )
  .refine((volume) => volume.secret === undefined || volume.s3 !== undefined, {
    path: ['secret'],
    message: 'is for volumes from s3',
  })
  .refine((volume) => volume.onDemand === undefined || (volume.s3 !== undefined && volume.readOnly), {
    path: ['onDemand'],
    message: 'is for volumes from s3 that are only read',
  });
export type Volume = z.output<typeof volumeSchema>;

/** A glob relative to the working directory. */
export const outputPattern = globPattern(4096).refine(
  (path) => !path.includes('\0') && !path.startsWith('/') && !path.split('/').includes('..'),
  'must be relative to the working directory and without ".."',
);

export const outputFileSchema = z.object({
  path: z.string(),
  bytes: z.number().int(),
  digest: z.string(),
});

/** A packed working directory: what `upload` of a job names by its id. */
export const uploadSchema = z.object({
  id: z.string(),
  bytes: z.number().int(),
  files: z.number().int(),
  createdAt: timeSchema,
});
export type Upload = z.output<typeof uploadSchema>;
