/** What the `train` section of a job file asks of its model, but for what its text settles. */
import type { ExpertsConfig, ModelFamily, ModelStyle } from './transformer-config.ts';
import type { ShapeRequest } from './transformer-shape.ts';

/** The fields of the section that speak of the model. */
export interface TrainedModel {
  readonly recipe: string;
  readonly depth: number;
  readonly width?: number | undefined;
  readonly heads?: number | undefined;
  readonly kvHeads?: number | undefined;
  readonly hidden?: number | undefined;
  /** Tokens. */
  readonly sequenceLength: number;
  readonly model: {
    readonly family?: ModelFamily | undefined;
    readonly norm?: ModelStyle['norm'] | undefined;
    readonly positions?: ModelStyle['positions'] | undefined;
    readonly activation?: ModelStyle['activation'] | undefined;
    readonly biases?: boolean | undefined;
    readonly tied?: boolean | undefined;
    readonly experts?: ExpertsConfig | undefined;
    readonly attention?: 'document' | 'sequence' | undefined;
  };
}

/** A token of a masked model sees all others, and the model is GPT's unless it is told. */
export const learnsMasked = ({ recipe }: Pick<TrainedModel, 'recipe'>): boolean =>
  recipe === 'masked-language-model';

export function modelRequest(train: TrainedModel): Omit<ShapeRequest, 'vocabularySize' | 'eosId'> {
  const { depth, width, heads, kvHeads, hidden, sequenceLength } = train;
  const { family, norm, positions, activation, biases, tied, experts, attention } = train.model;
  const isCausal = !learnsMasked(train);
  return {
    depth,
    width,
    heads,
    kvHeads,
    hidden,
    sequenceLength,
    family: family ?? (isCausal ? 'llama' : 'gpt'),
    style: { norm, positions, activation, hasBiases: biases, isCausal },
    isTied: tied,
    experts,
    staysInDocument: attention === 'document',
  };
}
