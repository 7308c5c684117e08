/** Options for a model server of one's own in place of ours: a command of the machine, or an image. */
import type { EndpointCreateInput } from '@gantry/contract';
import { type Command, Option } from 'commander';
import { CliError } from './cli-error.ts';
import { countOption } from './command-group.ts';

export interface ServerOptions {
  readonly image?: string;
  readonly imagePull?: 'missing' | 'always' | 'never';
  readonly imageSecret?: string;
  readonly containerPort?: number;
  readonly health?: string;
  readonly network?: 'own' | 'shared';
  readonly modelName?: string;
  readonly tensorrt?: string;
}

export const withServerOptions = (command: Command): Command =>
  command
    .option('--image <REF>', 'serve by a container of this image; words after -- go to it')
    .addOption(
      new Option('--image-pull <WHEN>', 'when the image is pulled (default: missing)').choices([
        'missing',
        'always',
        'never',
      ]),
    )
    .option('--image-secret <NAME>', 'the secret with USER:PASSWORD of its registry')
    .option('--container-port <N>', 'where the image listens whatever $PORT says', countOption)
    .option('--health <PATH>', 'of a server of your own: answers 200 when it can serve (default: /health)')
    .addOption(
      new Option(
        '--network <WHICH>',
        "own: only the gateway reaches it, and it reaches nothing (default where its command names $MODEL_PATH or $MODEL_FILE); shared: the machine's",
      ).choices(['own', 'shared']),
    )
    .option('--model-name <NAME>', 'that it knows the model by')
    .option('--tensorrt <VERSION>', 'that it has, for plans of the format tensorrt-plan');

type Server = NonNullable<EndpointCreateInput['server']>;

/** What stands on the command line goes before what stands in the file. */
export function serverBody(options: ServerOptions, words: readonly string[], file: Server = {}): Server {
  const { image, imagePull, imageSecret, containerPort, health, network, modelName, tensorrt } = options;
  return {
    ...file,
    ...(words.length === 0 ? {} : { command: [...words] }),
    ...(image === undefined ? {} : { image }),
    ...(imagePull === undefined ? {} : { imagePull }),
    ...(imageSecret === undefined ? {} : { imageSecret }),
    ...(containerPort === undefined ? {} : { containerPort }),
    ...(health === undefined ? {} : { healthPath: health }),
    ...(network === undefined ? {} : { network }),
    ...(modelName === undefined ? {} : { modelName }),
    ...(tensorrt === undefined ? {} : { tensorrt }),
  };
}

/** Of `endpoint create`: undefined where an engine of ours, or a sharded one, is meant. */
export function chosenServer(
  options: ServerOptions,
  words: readonly string[],
  file: Server | undefined,
): Server | undefined {
  if (options.image !== undefined || file !== undefined) return serverBody(options, words, file);
  const [stray] = Object.keys(serverBody(options, []));
  if (stray === undefined) return undefined;
  throw new CliError('bad_request', `${flags[stray as keyof Server]} goes with --image`, {
    hint: 'gantry endpoint create chat --model llama --image REF; a command of this machine: gantry endpoint serve',
  });
}

const flags: Readonly<Record<keyof Server, string>> = {
  command: 'a command',
  image: '--image',
  imagePull: '--image-pull',
  imageSecret: '--image-secret',
  containerPort: '--container-port',
  healthPath: '--health',
  startSeconds: 'startSeconds',
  network: '--network',
  modelName: '--model-name',
  tensorrt: '--tensorrt',
};
