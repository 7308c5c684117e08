/**
 * A decoder layer (or half of one) as two graphs, so that something can happen in between: a pipeline stage
 * sends, tensor ranks sum, ZeRO fetches weights. The same two serve all layers. What the backward graph needs
 * of the forward pass is an output of the one and an input of the other, or is computed again.
 */
import type { OnnxModel } from '@gantry/formats/onnx';
import {
  blockedShape,
  documentsOf,
  GraphBuilder,
  Tape,
  type Dialect,
  type Precision,
  type Value,
  type Workspace,
} from '../autodiff/index.ts';
import type { LayerContext, TensorShare } from './layer-context.ts';
import {
  attention,
  attentionNorm,
  attentionPart,
  mlpCore,
  mlpNorm,
  mlpPart,
  norm,
  runExperts,
  shareOf,
} from './layer-halves.ts';
import { expertsOf, layerParts, type LayerPart } from './layer-parts.ts';
import { embeddingName, finalNorm, headName } from './parameter-layout.ts';
import type { TransformerConfig } from './transformer-config.ts';

/**
 * Tensor ranks sum after each half, so they cut there. With sequence-parallel norms (Korthikanti et al. 2022, §4.2.2)
 * also behind the norm, which sees this rank's rows only; the core sees all of them, and the residual is the host's.
 */
export type SegmentKind =
  | 'layer'
  | 'attention'
  | 'mlp'
  | 'attention norm'
  | 'attention core'
  | 'mlp norm'
  | 'mlp core'
  | 'experts';

const bodies: Readonly<Record<SegmentKind, (context: LayerContext, x: Value) => Value>> = {
  layer: (context, x) => mlpPart(context, attentionPart(context, x)),
  attention: attentionPart,
  mlp: mlpPart,
  'attention norm': attentionNorm,
  'attention core': attention,
  'mlp norm': mlpNorm,
  'mlp core': mlpCore,
  experts: runExperts,
};

export interface SegmentRequest {
  readonly config: TransformerConfig;
  readonly sequences: number;
  readonly time: number;
  /** Of the input, where it is not all of sequences × time: norms are made row by row. */
  readonly rows?: number;
  readonly kind: SegmentKind;
  readonly tensor: number;
  readonly tensorIndex: number;
  /** Of the experts, where data-parallel ranks share out those of a tensor rank. */
  readonly expertShare?: TensorShare;
  /** Nothing is saved but the input; the backward graph runs the forward pass again. */
  readonly isRecomputed: boolean;
  readonly dialect: Dialect;
  readonly precision: Precision;
}

export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface SegmentGraph {
  /** Inputs of both graphs by their name inside a layer (`mlp.up_proj`), as this rank has them. */
  readonly parameters: readonly NamedShape[];
  /** [rows, width]: input of both, output of the forward graph. */
  readonly output: string;
  /** Whether `tokens` is an input of both. */
  readonly takesTokens: boolean;
  /** Outputs of the forward graph that the backward graph takes. */
  readonly saved: readonly NamedShape[];
  /** Output of the backward graph. */
  readonly inputGradient: string;
  /** Parameter name → output of the backward graph. */
  readonly gradients: ReadonlyMap<string, string>;
  forward(prefixSequence: boolean): OnnxModel;
  backward(prefixSequence: boolean): OnnxModel;
  workspaces(this: void): { readonly forward: Workspace; readonly backward: Workspace };
}

export const segmentInput = 'x';
export const segmentTokens = 'tokens';
export const segmentOutputGradient = 'dy';

/** Names and shapes inside a layer, of what a rank has of it. */
function segmentParts({ config, tensor, tensorIndex, kind, expertShare }: SegmentRequest): NamedShape[] {
  const share = { count: tensor, index: tensorIndex };
  const { count, index } = expertShare ?? share;
  const own = expertsOf(config.experts?.count ?? 0, count, index);
  return layerParts(shareOf(config, share)).filter(
    (part) =>
      isPartOf(kind, part) &&
      (part.expert === undefined || (part.expert >= own.from && part.expert < own.to)),
  );
}

function isPartOf(kind: SegmentKind, { name, half, expert }: LayerPart): boolean {
  if (kind === 'experts') return expert !== undefined;
  const [of, what] = kind.split(' ');
  return (
    (of === 'layer' || of === half) &&
    (what === undefined || (what === 'norm') === name.includes('layernorm'))
  );
}

/** Such a segment has the tokens among its inputs. */
const seesDocuments = ({ config, kind }: Pick<SegmentRequest, 'config' | 'kind'>): boolean =>
  config.staysInDocument === true && ['layer', 'attention', 'attention core'].includes(kind);

export function segmentGraph(request: SegmentRequest): SegmentGraph {
  const { config, sequences, time, kind, tensor, tensorIndex, expertShare, dialect, precision } = request;
  const share = { count: tensor, index: tensorIndex };
  const graph = new GraphBuilder();
  const tape = new Tape(graph, dialect, precision);
  const parameters = segmentParts(request);
  const values = new Map(parameters.map(({ name, shape }) => [name, graph.input(name, shape)]));
  const part = (name: string): Value => values.get(name) as Value;
  const { rows = sequences * time } = request;
  const x = graph.input(segmentInput, [rows, config.width]);
  // Of each token's loss: what a balance of experts is weighed by.
  const weights = graph.input('weights', [rows]);
  const context: LayerContext = {
    tape,
    config,
    share,
    ...(expertShare === undefined ? {} : { expertShare }),
    sequences,
    part,
    weights,
    isTraining: true,
    ...(seesDocuments(request)
      ? {
          documents: documentsOf(graph, graph.input(segmentTokens, [sequences * time], 'int64'), {
            ...request,
            eosId: config.eosId,
          }),
        }
      : {}),
  };
  const stream = bodies[kind](context, x);
  const output = tape.rows(stream);
  const { mark } = graph;
  const dy = graph.input(segmentOutputGradient, [rows, config.width]);
  const [dx, ...rest] = tape.pullback(stream, dy, [x, ...values.values()]) as [Value, ...Value[]];
  const crossing = request.isRecomputed ? [] : graph.crossing([dx, ...rest], mark, x);
  return {
    parameters,
    output: output.name,
    saved: crossing.map(({ name, shape, isBlocked }) => ({
      name,
      shape: isBlocked === true ? blockedShape(shape) : shape,
    })),
    takesTokens: seesDocuments(request),
    inputGradient: dx.name,
    gradients: new Map(parameters.map(({ name }, index) => [name, (rest[index] as Value).name])),
    forward: (prefix) => graph.model(`${kind}-forward`, [output, ...crossing], prefix),
    backward: (prefix) => graph.model(`${kind}-backward`, [dx, ...rest], prefix, crossing),
    workspaces: () => ({
      forward: graph.workspace([output, ...crossing]),
      backward: graph.workspace([dx, ...rest], crossing),
    }),
  };
}

export interface HeadGraph {
  /** Inputs: the final norm's parameters and the head's matrix, by their names in the model. */
  readonly parameters: readonly NamedShape[];
  readonly loss: string;
  readonly inputGradient: string;
  /** Parameter name → output. */
  readonly gradients: ReadonlyMap<string, string>;
  model(prefixSequence: boolean): OnnxModel;
  workspace(): Workspace;
}

/** Final norm, head and loss with all their gradients. Inputs beside the parameters: `x`, `targets`, `weights`. */
export function headGraph(
  config: TransformerConfig,
  sequences: number,
  time: number,
  dialect: Dialect,
  precision: Precision,
): HeadGraph {
  const graph = new GraphBuilder();
  const tape = new Tape(graph, dialect, precision);
  const rows = sequences * time;
  const x = graph.input(segmentInput, [rows, config.width]);
  const matrix = config.tiedEmbeddings ? embeddingName : headName;
  const parameters: NamedShape[] = [
    ...finalNorm(config).map((name) => ({ name, shape: [config.width] })),
    { name: matrix, shape: [config.vocabularySize, config.width] },
  ];
  const values = parameters.map(({ name, shape }) => graph.input(name, shape));
  const [weight, bias] = values.slice(0, -1) as [Value, Value | undefined];
  const targets = graph.input('targets', [rows], 'int64');
  const weights = graph.input('weights', [rows]);
  const last = norm(tape, config, x, weight, bias);
  const logits = tape.apply('linearTransposed', [last, values.at(-1) as Value], {});
  const loss = tape.apply('crossEntropy', [logits, targets, weights], {});
  const [dx, ...rest] = tape.gradients(loss, [x, ...values]) as [Value, ...Value[]];
  return {
    parameters,
    loss: loss.name,
    inputGradient: dx.name,
    gradients: new Map(parameters.map(({ name }, index) => [name, (rest[index] as Value).name])),
    model: (prefix) => graph.model('head', [loss, dx, ...rest], prefix),
    workspace: () => graph.workspace([loss, dx, ...rest]),
  };
}
