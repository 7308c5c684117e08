/**
 * The JSON schema of job files, for editors: what `jobSpecSchema` accepts before its defaults are filled in,
 * with a sentence for every field. Published as `schemas/job.schema.json`.
 */
import { z } from 'zod';
import { type JobSpec, jobSpecSchema, jobWorks } from './job-spec.ts';

/** Typed by all fields, so that a new field without a sentence does not compile. */
const sentences: Readonly<Record<keyof JobSpec, string>> = {
  name: 'Name of the job; made from what it does and a number when left out.',
  queue: 'The queue it waits in, like acme/nlp.',
  train:
    'Train a model with the built-in runtime. A job has one of this, `command`, `convert` and `evaluate`.',
  command:
    'A shell line, or a list of program and arguments. A job has one of this, `train`, `convert` and `evaluate`.',
  convert: 'Turns a model into another format or gives it smaller weights; `register` names the result.',
  evaluate: 'Measures a model on held-out data, and how near it is to what it was made from.',
  framework: 'Sets the environment and finds the checkpoints as this framework expects.',
  backend: 'Collective library of the framework, like gloo or nccl.',
  image: 'Container image that a command runs in, on a machine with podman, docker or nerdctl.',
  imagePull: 'When it is pulled: `missing` unless the machine has it (the default), `always` or `never`.',
  imageSecret: 'The secret with USER:PASSWORD of its registry.',
  network:
    'Of a command of one rank: `own` has nothing in it but a loopback, `shared` is the network of the machine (the default).',
  workdir: 'Directory the command runs in; beside the job file when left out.',
  env: 'Environment variables.',
  secrets: 'Names of secrets of the tenant that become environment variables.',
  replicas: 'How many ranks; each gets `resources`, and all start together.',
  minReplicas:
    'Elastic: it starts with so many, grows to `replicas` when there is room, gives some back for others.',
  groups: 'Kinds of ranks with resources and commands of their own, counted through in this order.',
  parallel: 'How the built-in runtime splits the work over ranks.',
  resources: 'What one rank asks for.',
  nodeSelector: 'Labels that every machine of it must carry, like {pool: fast}.',
  tolerations: 'Taints of machines that it may run beside, like [{key: team}].',
  deadline: 'When it should be done; the order `deadline` goes by it.',
  priority: '0 to 1000; more goes first within the queue.',
  preemptible: 'Whether it may be stopped for others; it resumes from its newest checkpoint.',
  timeLimit: 'Stopped after this, like 90s, 5m or 12h. A number is seconds.',
  retries: 'How often a failure of its own is tried again. Faults of machines never count.',
  topology:
    'The level of the network that must, or should, hold the whole gang; `slice: {ranks: 8, within: host}` keeps runs of ranks together.',
  checkpoint: 'When checkpoints are written, how many are kept, and whether they go to S3 too.',
  register: 'Registers the result as a version of the model of this name.',
  volumes: 'Directories from outside that the command sees.',
  upload: 'Id of an upload that the job runs in; made by gantry job run --upload DIR.',
  outputs: 'Paths, relative to the working directory, that are kept when it succeeds.',
  graceSeconds: 'Seconds between SIGTERM and SIGKILL.',
  waitForCapacity: 'Queue it even if no machine here could run it now.',
};

type Json = Record<string, unknown>;

export function jobFileSchema(): Json {
  const schema: Json = z.toJSONSchema(jobSpecSchema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
  });
  const properties = schema['properties'] as Record<string, Json>;
  return {
    $schema: schema['$schema'],
    title: 'Gantry job file',
    description: 'What to run, what it needs, and what becomes of the result.',
    ...schema,
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [
        name,
        { description: sentences[name as keyof JobSpec], ...property },
      ]),
    ),
    // The refinement of the contract, as JSON schema says it.
    oneOf: jobWorks.map((work) => ({ required: [work] })),
  };
}
