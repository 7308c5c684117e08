import { GantryError } from '@gantry/contract';

const maxTries = 8;

/** Does it again when somebody else wrote the row between our look and our write; they are rarely many. */
export async function retryOnConflict<T>(act: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      const isConflict = error instanceof GantryError && error.code === 'version_conflict';
      if (!isConflict || tries >= maxTries) throw error;
    }
  }
}
