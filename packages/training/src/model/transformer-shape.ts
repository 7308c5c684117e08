/** The sizes of a decoder, from one dial. What the user overrides is kept; what cannot work says why. */
import {
  styleOf,
  type ExpertsConfig,
  type ModelFamily,
  type ModelStyle,
  type TransformerConfig,
} from './transformer-config.ts';

export interface ShapeRequest {
  readonly depth: number;
  readonly vocabularySize: number;
  readonly sequenceLength: number;
  readonly width?: number | undefined;
  readonly heads?: number | undefined;
  readonly kvHeads?: number | undefined;
  readonly hidden?: number | undefined;
  readonly eosId?: number;
  /** `llama` unless given. */
  readonly family?: ModelFamily;
  /** What goes another way than in the family. */
  readonly style?: { readonly [Key in keyof ModelStyle]?: ModelStyle[Key] | undefined };
  readonly isTied?: boolean | undefined;
  readonly experts?: ExpertsConfig | undefined;
  readonly staysInDocument?: boolean | undefined;
}

export class ShapeError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'ShapeError';
    this.hint = hint;
  }
}

/** Width grows by 48 a layer; heads are 32 wide in small models and 64 in larger ones; hidden is 8/3 of the width, or 4 times without a gate. */
export function transformerShape(request: ShapeRequest): TransformerConfig {
  const { style = {} } = request;
  const family = styleOf[request.family ?? 'llama'];
  const chosen: ModelStyle = {
    norm: style.norm ?? family.norm,
    positions: style.positions ?? family.positions,
    activation: style.activation ?? family.activation,
    hasBiases: style.hasBiases ?? family.hasBiases,
    isCausal: style.isCausal ?? family.isCausal,
  };
  const width = request.width ?? roundUp(48 * request.depth, request.depth > 5 ? 64 : 32);
  const heads = request.heads ?? Math.max(1, Math.floor(width / (width > 256 ? 64 : 32)));
  if (width % (heads * 2) !== 0) {
    throw new ShapeError(
      `A width of ${width} does not divide into ${heads} heads of even size.`,
      `Choose a width of ${roundUp(width, heads * 2)}, or ${nearestHeads(width, heads)} heads.`,
    );
  }
  const kvHeads = request.kvHeads ?? heads;
  if (heads % kvHeads !== 0) {
    throw new ShapeError(
      `${heads} heads cannot share ${kvHeads} key-value heads evenly.`,
      `Choose kvHeads from ${divisors(heads).join(', ')}.`,
    );
  }
  return {
    vocabularySize: request.vocabularySize,
    width,
    hidden: request.hidden ?? (chosen.activation === 'gelu' ? 4 * width : roundUp((width * 8) / 3, 32)),
    layers: request.depth,
    heads,
    kvHeads,
    headWidth: width / heads,
    contextLength: request.sequenceLength,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    tiedEmbeddings: request.isTied ?? true,
    bosId: request.eosId ?? 0,
    eosId: request.eosId ?? 0,
    ...chosen,
    ...(request.staysInDocument === true ? checkDocuments(chosen) : {}),
    ...(request.experts === undefined ? {} : { experts: checkExperts(request.experts) }),
  };
}

/** A document that begins in the middle of a sequence is to be seen as one that begins there. */
function checkDocuments({ positions, isCausal }: ModelStyle): Pick<TransformerConfig, 'staysInDocument'> {
  if (!isCausal)
    throw new ShapeError(
      'An encoder hides tokens, those at which documents begin among them.',
      'Leave out train.model.attention, or train a language model.',
    );
  if (positions === 'learned' || positions === 'sinusoidal')
    throw new ShapeError(
      `Positions of kind ${positions} count from the beginning of a sequence, not of a document.`,
      'Set train.model.positions to rotary, alibi or relative, which know distances only.',
    );
  return { staysInDocument: true };
}

function checkExperts(experts: ExpertsConfig): ExpertsConfig {
  if (experts.top <= experts.count) return experts;
  throw new ShapeError(
    `A token cannot be seen by ${experts.top} of ${experts.count} experts.`,
    `Set train.model.experts.top to ${experts.count} or less.`,
  );
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

export function divisors(value: number): number[] {
  return Array.from({ length: value }, (_, index) => index + 1).filter(
    (candidate) => value % candidate === 0,
  );
}

function nearestHeads(width: number, heads: number): number {
  const possible = divisors(Math.max(1, Math.floor(width / 2))).filter((count) => width % (count * 2) === 0);
  return possible.reduce(
    (best, count) => (Math.abs(count - heads) < Math.abs(best - heads) ? count : best),
    1,
  );
}
