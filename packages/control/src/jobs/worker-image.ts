/** The image that work asks for → the image that its workers are started in, with what its registry wants to see. */
import { GantryError, type OwnServer } from '@gantry/contract';
import type { WorkerImage } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { openSecret } from '../secrets/secrets.ts';

export type AskedImage = Pick<OwnServer, 'image' | 'imagePull' | 'imageSecret'>;

/** Undefined for work without an image. Throws `data_missing` when its secret was deleted meanwhile. */
export async function workerImage(
  deps: Deps,
  tenantId: string,
  { image, imagePull = 'missing', imageSecret }: AskedImage,
): Promise<WorkerImage | undefined> {
  if (image === undefined) return undefined;
  if (imageSecret === undefined) return { reference: image, pull: imagePull };
  const credentials = await openSecret(deps, tenantId, imageSecret);
  if (credentials === undefined)
    throw new GantryError('data_missing', `the secret "${imageSecret}" is gone`, {
      hint: `set it again: gantry secret set ${imageSecret}`,
    });
  return { reference: image, pull: imagePull, credentials: credentials.trim() };
}
