import type { Upload } from '@gantry/contract';
import { writeTar } from '@gantry/formats/tar';
import { countOf, formatBytes } from '@gantry/kit';
import type { Client } from '@gantry/sdk';
import { packFolder } from './pack-folder.ts';

/** Packs a folder on the way to the server; answers what a job names as its `upload`. */
export async function uploadFolder(
  client: Client,
  dir: string,
  say: (text: string) => void,
): Promise<Upload> {
  const { files, bytes, links } = packFolder(dir);
  const upload = await client.call('uploads.create', { body: writeTar(files) });
  say(`  ✓ uploaded ${countOf(files.length, 'file')}, ${formatBytes(bytes)}, from ${dir}`);
  if (links.length > 0)
    say(
      `  left out ${countOf(links.length, 'link')}: ${links.slice(0, 3).join(', ')}${links.length > 3 ? ' …' : ''}`,
    );
  return upload;
}
