/**
 * A TensorRT plan loads on the kind of device that it was built on and in the version of TensorRT that built it, and
 * nowhere else (unless it was built to be compatible, which its builder's flags say). What a plan is tied to stands in
 * its version's lineage; an endpoint that serves one is placed there only. Pure.
 */
import { GantryError } from '@gantry/contract';
import type { ModelVersionRecord } from './model-record.ts';

export interface PlanTies {
  readonly device: string;
  readonly tensorrt: string;
}

/** Undefined for any other model. */
export function planTies({ formats, lineage }: ModelVersionRecord): PlanTies | undefined {
  const { device, tensorrt } = (lineage['plan'] ?? {}) as Partial<Record<keyof PlanTies, unknown>>;
  return formats.includes('tensorrt-plan') && typeof device === 'string' && typeof tensorrt === 'string'
    ? { device, tensorrt }
    : undefined;
}

interface Wish<Resources> {
  readonly resources: Resources;
  readonly server?: { readonly tensorrt?: string | undefined } | undefined;
}

/** The resources with the plan's device in them; refuses a place or a server where it would not load. */
export function tiedResources<
  Resources extends { readonly gpu: number; readonly gpuModel?: string | undefined },
>(model: string, ties: PlanTies | undefined, { resources, server }: Wish<Resources>): Resources {
  if (ties === undefined) return resources;
  const { device, tensorrt } = ties;
  const refuse = (path: string, message: string, hint: string): GantryError =>
    new GantryError(
      'validation_failed',
      `${model} is a plan of TensorRT ${tensorrt} for ${device}: ${message}`,
      {
        details: { path },
        hint,
      },
    );
  if (server === undefined)
    throw refuse(
      'server',
      'no engine here reads it',
      'serve it with Triton: gantry endpoint serve NAME … -- tritonserver',
    );
  if (server.tensorrt !== tensorrt)
    throw refuse(
      'server.tensorrt',
      server.tensorrt === undefined ? 'which one does the server have?' : `the server has ${server.tensorrt}`,
      server.tensorrt === undefined
        ? `--tensorrt ${tensorrt}, if that is so`
        : 'build a plan with the version of the server: gantry model convert --format tensorrt-plan',
    );
  if (resources.gpu === 0) throw refuse('resources.gpu', 'it needs one', '--gpus 1');
  if (resources.gpuModel !== undefined && !resources.gpuModel.split('|').includes(device))
    throw refuse(
      'resources.gpuModel',
      `not for ${resources.gpuModel}`,
      'leave it out, or build a plan for that one',
    );
  return { ...resources, gpuModel: device };
}
