/** PNG files → samples; the class of an image is the name of the folder it lies in. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { resize, type Picture } from '@gantry/training/images';
import { DataError } from '../data/index.ts';
import type { FoundFile } from '../data/find-files.ts';
import { decodePng, type Pixels } from './png.ts';
import type { RawSamples } from './samples.ts';

/** All images as floats. */
const mostBytes = 2 ** 31;

/** `size`: height and width that all are brought to. */
export async function readImages(files: readonly FoundFile[], size: number | undefined): Promise<RawSamples> {
  const hash = createHash('sha256');
  // Other numbers of the same files are other data.
  if (size !== undefined) hash.update(`size ${size}`);
  const labels = files.map(({ absolutePath }) => basename(dirname(absolutePath)));
  const classes = [...new Set(labels)].sort();
  let first: Picture | undefined;
  let features = new Float32Array();
  for (const [index, { path, absolutePath }] of files.entries()) {
    const bytes = await readFile(absolutePath);
    hash.update(labels[index] as string).update(bytes);
    const decoded = toPicture(decode(path, bytes));
    const image = size === undefined ? decoded : resize(decoded, size, size);
    if (first === undefined) {
      first = image;
      const numbers = files.length * image.values.length;
      if (numbers * 4 > mostBytes)
        throw new DataError(
          'data_invalid',
          `${files.length} images of ${image.width} × ${image.height} need ${(numbers * 4) / 2 ** 30} GiB in memory.`,
          'Give smaller images, or fewer.',
        );
      features = new Float32Array(numbers);
    }
    if (shapeOf(image) !== shapeOf(first))
      throw new DataError(
        'data_invalid',
        `${path} is ${shapeOf(image)}, and ${files[0]?.path ?? 'the first image'} is ${shapeOf(first)}.`,
        size === undefined
          ? 'Set train.classifier.size, or bring all images to one size and one colour type.'
          : 'Bring all images to one colour type.',
      );
    const from = index * image.values.length;
    features.set(image.values, from);
  }
  if (first === undefined)
    throw new DataError(
      'data_missing',
      'There are no images.',
      'Name PNG files, in a folder for each class.',
    );
  const { channels, height, width } = first;
  return {
    input: { kind: 'image', channels, height, width },
    features,
    targets: Int32Array.from(labels, (label) => classes.indexOf(label)),
    classes,
    columns: [],
    digest: hash.digest('hex'),
  };
}

function decode(path: string, bytes: Buffer): Pixels {
  try {
    return decodePng(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError('data_invalid', `${path} cannot be read: ${reason}.`, 'Images are PNG files.', error);
  }
}

const toPicture = ({ values, ...shape }: Pixels): Picture => ({
  ...shape,
  values: Float32Array.from(values, (value) => value / 255),
});

function shapeOf({ channels, height, width }: Picture): string {
  return `${width} × ${height} ${channels === 1 ? 'grey' : 'in colour'}`;
}
