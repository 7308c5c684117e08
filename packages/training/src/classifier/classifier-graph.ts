/** A classifier as an ONNX graph. Inputs: parameters by name, `features` and, with a loss, `targets` and `weights`. */
import type { OnnxModel } from '@gantry/formats/onnx';
import { GraphBuilder, Tape, type Value } from '../autodiff/index.ts';
import type { Parameter, ParameterLayout } from '../model/parameter-layout.ts';
import { classifierLayout, sampleShape, type ClassifierConfig } from './classifier-config.ts';

export interface ClassifierGraph {
  readonly layout: ParameterLayout;
  /** [samples, classes] */
  readonly logits: string;
  readonly loss: string | undefined;
  /** Parameter name → output. */
  readonly gradients: ReadonlyMap<string, string>;
  model(prefixSequence: boolean): OnnxModel;
}

export function classifierGraph(
  config: ClassifierConfig,
  samples: number,
  kind: 'logits' | 'gradients',
  /** Layers whose weights and inputs are seen in eight bits, as the export has them. */
  isRounded: (weight: Parameter) => boolean = () => false,
): ClassifierGraph {
  const graph = new GraphBuilder();
  const tape = new Tape(graph);
  const layout = classifierLayout(config);
  const parameters = new Map(layout.parameters.map(({ name, shape }) => [name, graph.input(name, shape)]));
  /** What a layer multiplies. */
  const operands = (operator: 'linear' | 'convolution', input: Value, name: string): Value[] => {
    const [weight, bias] = ['weight', 'bias'].map(
      (kindOf) => parameters.get(`${name}.${kindOf}`) as Value,
    ) as [Value, Value];
    if (!isRounded(layout.find(`${name}.weight`))) return [input, weight, bias];
    const channels = { axis: operator === 'linear' ? 1 : 0 } as const;
    return [tape.apply('roundRange', [input], {}), tape.apply('roundChannels', [weight], channels), bias];
  };
  const layer = (operator: 'linear' | 'convolution', input: Value, name: string): Value =>
    tape.apply(operator, operands(operator, input, name), {});
  let x = graph.input('features', [samples, ...sampleShape(config)]);
  if (config.input.kind === 'image') {
    for (const index of config.channels.keys()) {
      const seen = tape.apply('relu', [layer('convolution', x, `features.${index}`)], {});
      x = tape.apply('averagePool', [seen], {});
    }
    x = tape.apply('channelMeans', [x], {});
  }
  for (const index of config.hidden.keys())
    x = tape.apply('relu', [layer('linear', x, `hidden.${index}`)], {});
  const logits = layer('linear', x, 'output');
  if (kind === 'logits')
    return {
      layout,
      logits: logits.name,
      loss: undefined,
      gradients: new Map(),
      model: (prefix) => graph.model('classifier', [logits], prefix),
    };
  const targets = graph.input('targets', [samples], 'int64');
  const weights = graph.input('weights', [samples]);
  const loss = tape.apply('crossEntropy', [logits, targets, weights], {});
  const gradients = tape.gradients(loss, [...parameters.values()]);
  return {
    layout,
    logits: logits.name,
    loss: loss.name,
    gradients: new Map(layout.parameters.map(({ name }, index) => [name, (gradients[index] as Value).name])),
    model: (prefix) => graph.model('classifier', [loss, ...gradients], prefix),
  };
}
