import { readFile } from 'node:fs/promises';
import { GantryError } from '@gantry/contract';

/** The operator's prices as they are written; what they mean is the price book's to judge. */
export async function readPriceList(file: string | undefined): Promise<unknown> {
  if (file === undefined) return [];
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new GantryError(
      'data_missing',
      `the price list ${file} cannot be read: ${error.code ?? error.message}`,
      {
        hint: 'correct --prices, or leave it out for the default prices',
        cause: error,
      },
    );
  });
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new GantryError('data_invalid', `the price list ${file} is no JSON: ${(error as Error).message}`, {
      hint: 'docs/ledger.md shows one',
    });
  }
}
