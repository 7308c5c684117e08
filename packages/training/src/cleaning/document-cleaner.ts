/** Which documents are worth training on. Documents come one after another; of equal ones the first stays. */
import { HeldOutRuns } from './held-out-runs.ts';
import { NearDuplicateIndex, signatureOf } from './near-duplicates.ts';
import { qualityFailure, type QualityBounds, type QualityRuleName } from './quality-rules.ts';
import { normalWords, wideHash } from './words.ts';

export interface CleaningOptions {
  /** Undefined: no rule is asked. */
  readonly quality: Readonly<Partial<Record<QualityRuleName, QualityBounds | undefined>>> | undefined;
  /** Equal but for case, punctuation and white space. */
  readonly duplicates: boolean;
  /** Estimated Jaccard similarity from which on a document repeats another one; undefined: not asked. */
  readonly nearDuplicates: number | undefined;
  /** Documents of examinations. */
  readonly heldOut: Iterable<string>;
}

export type DropReason = 'quality' | 'duplicate' | 'near_duplicate' | 'contaminated';

export type CleaningVerdict =
  | { readonly kind: 'kept' }
  | {
      readonly kind: 'dropped';
      readonly reason: DropReason;
      /** The rule, the similarity or the shared words. */
      readonly detail: string;
    };

const kept: CleaningVerdict = { kind: 'kept' };

export class DocumentCleaner {
  readonly #options: CleaningOptions;
  readonly #seen = new Set<number>();
  readonly #near: NearDuplicateIndex | undefined;
  readonly #heldOut = new HeldOutRuns();

  constructor(options: CleaningOptions) {
    this.#options = options;
    if (options.nearDuplicates !== undefined) this.#near = new NearDuplicateIndex(options.nearDuplicates);
    for (const text of options.heldOut) this.#heldOut.add(text);
  }

  judge(text: string): CleaningVerdict {
    const { quality, duplicates } = this.#options;
    const failure = quality === undefined ? undefined : qualityFailure(text, definedOf(quality));
    if (failure !== undefined)
      return dropped('quality', `${failure.rule} ${Number(failure.value.toPrecision(3))}`);
    const shared = this.#heldOut.sharedRun(text);
    if (shared !== undefined) return dropped('contaminated', shared);
    if (duplicates) {
      const digest = wideHash(normalWords(text).join(' '));
      if (this.#seen.has(digest)) return dropped('duplicate', 'equal words');
      this.#seen.add(digest);
    }
    if (this.#near === undefined) return kept;
    const signature = signatureOf(text);
    const repeated = signature === undefined ? undefined : this.#near.add(signature);
    return repeated === undefined
      ? kept
      : dropped('near_duplicate', `similarity ${repeated.similarity.toFixed(2)}`);
  }
}

function dropped(reason: DropReason, detail: string): CleaningVerdict {
  return { kind: 'dropped', reason, detail };
}

function definedOf(
  quality: NonNullable<CleaningOptions['quality']>,
): Partial<Record<QualityRuleName, QualityBounds>> {
  return Object.fromEntries(Object.entries(quality).filter(([, bounds]) => bounds !== undefined));
}
