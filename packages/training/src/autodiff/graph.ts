/**
 * Builds an ONNX graph node by node. Every value knows its static shape, so a wrong product fails here,
 * with names, and not inside the runtime. Nothing is computed: the result is a model for any executor.
 */
import type {
  OnnxAttribute,
  OnnxElementType,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValueInfo,
} from '@gantry/formats/onnx';
import { leavesReversed } from './execution-order.ts';
import { broadcast, elementsOf, matrixShape, sizeOfValue, toInfo, type Shape, type Value } from './value.ts';
import { workspaceOf, type Workspace } from './workspace.ts';

export interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  /** Of the output; float32 unless given. */
  readonly type?: OnnxElementType;
  /** Of each output. */
  readonly types?: readonly OnnxElementType[];
}

export interface ProductOptions {
  /** Transpose the last two axes of the left or right operand. */
  readonly left?: 'transposed';
  readonly right?: 'transposed';
  readonly alpha?: number;
}

export const microsoft = 'com.microsoft';

export class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxTensor[] = [];
  readonly #constants = new Map<string, Value>();
  readonly #inputs: OnnxValueInfo[] = [];
  readonly #transposed = new Map<string, Value>();
  /** Every value a node has made, and the node. */
  readonly #values = new Map<string, Value>();
  readonly #makers = new Map<string, number>();
  #next = 0;

  input(name: string, shape: Shape, type: OnnxElementType = 'float32'): Value {
    const value: Value = { name, shape, type };
    this.#inputs.push(value);
    return value;
  }

  /** The same key gives the same constant: masks and rotation tables are stored once. */
  constant(key: string, shape: Shape, make: () => Float32Array | BigInt64Array): Value {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const data = make();
    if (data.length !== elementsOf(shape))
      throw new RangeError(`constant ${key} does not fill [${shape.join('×')}]`);
    const value: Value = {
      name: `constant/${key}`,
      shape,
      type: data instanceof Float32Array ? 'float32' : 'int64',
    };
    this.#initializers.push({ name: value.name, shape, data });
    this.#constants.set(key, value);
    return value;
  }

  scalar(value: number): Value {
    return this.constant(`f${value}`, [], () => Float32Array.of(value));
  }

  integers(values: readonly number[]): Value {
    return this.constant(`i${values.join(',')}`, [values.length], () => BigInt64Array.from(values, BigInt));
  }

  /** One node, one output, of the shape the caller promises. */
  node(operator: string, inputs: readonly Value[], shape: Shape, options: NodeOptions = {}): Value {
    const [output] = this.nodes(operator, inputs, [shape], options);
    return output as Value;
  }

  nodes(
    operator: string,
    inputs: readonly Value[],
    shapes: readonly Shape[],
    options: NodeOptions = {},
  ): Value[] {
    const outputs = shapes.map((shape, index): Value => {
      this.#next += 1;
      const type = options.types?.[index] ?? options.type ?? 'float32';
      return { name: `${operator}/${this.#next}`, shape, type };
    });
    for (const output of outputs) {
      this.#values.set(output.name, output);
      this.#makers.set(output.name, this.#nodes.length);
    }
    this.#nodes.push({
      operator,
      domain: options.domain ?? '',
      inputs: inputs.map(({ name }) => name),
      outputs: outputs.map(({ name }) => name),
      attributes: options.attributes ?? {},
    });
    return outputs;
  }

  /** Matrix product over the last two axes; leading axes are equal or broadcast. */
  product(left: Value, right: Value, options: ProductOptions = {}): Value {
    const leftShape = matrixShape(left, options.left);
    const rightShape = matrixShape(right, options.right);
    if (leftShape.columns !== rightShape.rows) {
      throw new RangeError(
        `cannot multiply ${left.name} [${left.shape.join('×')}] by ${right.name} [${right.shape.join('×')}]: inner sizes differ`,
      );
    }
    const leading = left.shape.length >= right.shape.length ? left.shape : right.shape;
    const shape = [...leading.slice(0, -2), leftShape.rows, rightShape.columns];
    return this.node('FusedMatMul', [left, right], shape, {
      domain: microsoft,
      attributes: {
        transA: { int: options.left === 'transposed' ? 1 : 0 },
        transB: { int: options.right === 'transposed' ? 1 : 0 },
        alpha: { float: options.alpha ?? 1 },
      },
    });
  }

  add(left: Value, right: Value): Value {
    return this.#elementwise('Add', left, right);
  }

  subtract(left: Value, right: Value): Value {
    return this.#elementwise('Sub', left, right);
  }

  multiply(left: Value, right: Value): Value {
    return this.#elementwise('Mul', left, right);
  }

  /** One value in, the same shape and layout out. */
  map(operator: string, value: Value, domain = ''): Value {
    const output = this.node(operator, [value], value.shape, { domain });
    return value.isBlocked === true ? this.asBlocked(output) : output;
  }

  /** The same value, known to lie in the blocked layout. */
  asBlocked(value: Value): Value {
    const blocked: Value = { ...value, isBlocked: true };
    this.#values.set(value.name, blocked);
    return blocked;
  }

  #elementwise(operator: string, left: Value, right: Value): Value {
    const output = this.node(operator, [left, right], broadcast(left.shape, right.shape));
    const isBlocked = left.isBlocked === true || right.isBlocked === true;
    if (
      isBlocked &&
      left.isBlocked !== right.isBlocked &&
      elementsOf(left.shape) * elementsOf(right.shape) !== elementsOf(output.shape)
    ) {
      throw new RangeError(`${operator} of ${left.name} and ${right.name}: one is blocked, one is not`);
    }
    return isBlocked ? this.asBlocked(output) : output;
  }

  /** Sum over the last axis, kept with size 1. */
  sumLast(value: Value): Value {
    const { shape } = value;
    return this.node('ReduceSum', [value, this.integers([shape.length - 1])], [...shape.slice(0, -1), 1], {
      attributes: { keepdims: { int: 1 } },
    });
  }

  reshape(value: Value, shape: Shape): Value {
    if (elementsOf(shape) !== elementsOf(value.shape)) {
      throw new RangeError(`cannot view ${value.name} [${value.shape.join('×')}] as [${shape.join('×')}]`);
    }
    return this.node('Reshape', [value, this.integers(shape)], shape, { type: value.type });
  }

  /** A view of the bytes as they lie, whatever `shape` says they mean. */
  reshapeRaw(value: Value, shape: Shape): Value {
    return this.node('Reshape', [value, this.integers(shape)], shape);
  }

  transpose(value: Value, axes: readonly number[]): Value {
    const shape = axes.map((axis) => value.shape[axis] as number);
    return this.node('Transpose', [value], shape, { attributes: { perm: { ints: axes } } });
  }

  /** A matrix turned once however often it is asked for: q, k and v share the transpose of their input. */
  transposedOnce(matrix: Value): Value {
    const known = this.#transposed.get(matrix.name);
    if (known !== undefined) return known;
    const turned = this.transpose(matrix, [1, 0]);
    this.#transposed.set(matrix.name, turned);
    return turned;
  }

  /** Nodes so far: a place to cut at. */
  get mark(): number {
    return this.#nodes.length;
  }

  /**
   * What was made before `mark` out of `from` and is needed for `outputs` after it. Views and whole
   * numbers are made again on the other side, and so is what does not depend on `from`.
   */
  crossing(outputs: readonly Value[], mark: number, from: Value): Value[] {
    const dependent = this.#dependents(from.name);
    const crossing = new Map<string, Value>();
    const seen = new Set<string>();
    const visit = (name: string): void => {
      if (seen.has(name)) return;
      seen.add(name);
      const maker = this.#makers.get(name);
      if (maker === undefined) return;
      const node = this.#nodes[maker] as OnnxNode;
      const isWhole = this.#values.get(name)?.type !== 'float32';
      const isView = node.operator === 'Reshape' || isWhole || !dependent.has(name);
      if (maker < mark && !isView) crossing.set(name, this.#values.get(name) as Value);
      else for (const input of node.inputs) visit(input);
    };
    for (const { name } of outputs) visit(name);
    return [...crossing.values()];
  }

  #dependents(root: string): ReadonlySet<string> {
    const dependent = new Set([root]);
    for (const { inputs, outputs } of this.#nodes) {
      if (inputs.some((name) => dependent.has(name))) for (const name of outputs) dependent.add(name);
    }
    return dependent;
  }

  /** What a session of these outputs takes, with `given` as further inputs. */
  workspace(outputs: readonly Value[], given: readonly Value[] = []): Workspace {
    const { nodes } = this.model('workspace', outputs, false, given);
    const names = (values: readonly Value[]): ReadonlySet<string> => new Set(values.map(({ name }) => name));
    const isGiven = names(given);
    const sizeOf = (name: string): ReturnType<typeof sizeOfValue> | undefined => {
      const value = isGiven.has(name) ? undefined : this.#values.get(name);
      return value && sizeOfValue(value);
    };
    return workspaceOf(nodes, sizeOf, names(outputs));
  }

  /**
   * The nodes that `outputs` need, with `given` as further inputs. With `prefixSequence`, output 0 is an empty
   * sequence named `nothing` (see the executor's no-copy path).
   */
  model(
    name: string,
    outputs: readonly Value[],
    prefixSequence: boolean,
    given: readonly Value[] = [],
  ): OnnxModel {
    const isGiven = new Set(given.map((value) => value.name));
    const needed = new Set<number>();
    const read = new Set<string>();
    const visit = (value: string): void => {
      if (read.has(value)) return;
      read.add(value);
      const maker = isGiven.has(value) ? undefined : this.#makers.get(value);
      if (maker === undefined || needed.has(maker)) return;
      needed.add(maker);
      for (const input of (this.#nodes[maker] as OnnxNode).inputs) visit(input);
    };
    for (const output of outputs) visit(output.name);
    const nodes = leavesReversed(this.#nodes.filter((_, index) => needed.has(index)));
    const nothing = {
      operator: 'SequenceEmpty',
      domain: '',
      inputs: [],
      outputs: ['nothing'],
      attributes: {},
    };
    const declared = outputs.map((value) => toInfo(value));
    return {
      name,
      opsets: { '': 17, [microsoft]: 1, 'com.microsoft.nchwc': 1 },
      nodes: prefixSequence ? [nothing, ...nodes] : nodes,
      initializers: this.#initializers.filter((tensor) => read.has(tensor.name)),
      inputs: [...this.#inputs, ...given.map((value) => toInfo(value))].filter((value) =>
        read.has(value.name),
      ),
      outputs: prefixSequence ? [{ name: 'nothing', type: 'sequence', shape: [] }, ...declared] : declared,
    };
  }
}
