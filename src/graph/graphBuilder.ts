/**
 * Writes ONNX graphs: a thin layer over the generated ONNX schema that names values, collects weights, and drops what
 * no output needs. Pure: it never touches the file system or the runtime.
 */

import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './onnx/onnx_pb';

export type ElementType = 'float32' | 'float16' | 'bfloat16' | 'int32' | 'int64' | 'int8' | 'uint8' | 'bool' | 'string';

const onnxTypes: Readonly<Record<ElementType, TensorProto_DataType>> = {
  float32: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  bfloat16: TensorProto_DataType.BFLOAT16,
  int32: TensorProto_DataType.INT32,
  int64: TensorProto_DataType.INT64,
  int8: TensorProto_DataType.INT8,
  uint8: TensorProto_DataType.UINT8,
  bool: TensorProto_DataType.BOOL,
  string: TensorProto_DataType.STRING,
};

/** A step from a tensor as a file has it to the weight that a graph uses. */
export type WeightStep =
  | { readonly reshape: readonly number[] }
  | { readonly slice: { readonly axis: number; readonly start: number; readonly end: number; readonly step?: number } }
  | { readonly transpose: readonly number[] };

export interface StoredTensor {
  /** Several weights may be parts of one tensor: its name in the file. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly steps: readonly WeightStep[];
}

/** Bits of a whole number that stands for a weight. */
export type PackedBits = 4 | 8;

/** A number for each block of a packed matrix. */
export interface BlockNumbers {
  /** fp16 or fp32 [rows, bases]; one base for one or several blocks that follow each other. */
  readonly bases: Weight;
  /** int8 [rows, bases, blocks of a base]: what a base is multiplied by. Absent where a base is the number of one block. */
  readonly factors?: Weight | undefined;
}

/**
 * A quantized matrix, as small as ONNX Runtime computes with: value = scale * (code - 2^(bits - 1) + lift) + least, with one
 * scale and least for `blockSize` values of a row. Scales and leasts stay as small as the file has them.
 */
export interface PackedWeight {
  readonly bits: PackedBits;
  readonly blockSize: number;
  readonly lift: number;
  /** uint8 [rows, blocks, bytes of a block]; of two 4-bit codes in a byte, the first is the low one. */
  readonly codes: Weight;
  readonly scales: BlockNumbers;
  /** Absent where all are 0. */
  readonly leasts?: BlockNumbers | undefined;
}

/** A trained tensor: where its bytes are, or the bytes themselves. */
export interface Weight {
  readonly elementType: ElementType;
  readonly shape: readonly number[];
  /** Where the file has it in another layout, or as a part of a larger tensor. */
  readonly stored?: StoredTensor;
  /** Little-endian, row-major; or a range of a file beside the model, which the runtime maps instead of copying. */
  readonly source:
    | { readonly bytes: Uint8Array }
    | { readonly file: string; readonly offset: number; readonly length: number }
    | { readonly packed: PackedWeight };
}

/** Gives the tensor of a state-dict key (e.g. `layers.0.attention.wq.weight`). */
export type WeightSource = (key: string) => Weight;

/** Symbolic (string) or fixed dimensions. */
export type Shape = readonly (string | number)[];

type AttributeValue = number | readonly number[] | string | { readonly float: number };

/** IR and operator-set versions every ONNX Runtime since 1.17 reads. */
const irVersion = 9n;
const opsetVersion = 20n;

/** Operators of ONNX Runtime's own set, and its name. */
const ownOperators = new Set(['MatMulNBits']);
const ownDomain = 'com.microsoft';

/** Names of a packed matrix's values in a graph, as they are stored. */
interface PackedValues extends Pick<PackedWeight, 'bits' | 'blockSize' | 'lift'> {
  readonly codes: string;
  readonly scales: StoredNumbers;
  readonly leasts: StoredNumbers | undefined;
  readonly shape: readonly number[];
}

interface StoredNumbers {
  readonly bases: string;
  readonly factors: string | undefined;
}

/** Names of fp32 values, [..., blocks]; leasts go with codes from which only 2^(bits - 1) is taken. */
interface PackedNumbers {
  readonly scales: string;
  readonly leasts: string | undefined;
}

export class GraphBuilder {
  private readonly nodes: NodeProto[] = [];
  private readonly inputs: ValueInfoProto[] = [];
  private readonly outputs: ValueInfoProto[] = [];
  private readonly initializers = new Map<string, TensorProto>();
  /** Of weights that are stored in fewer bits. */
  private readonly casts = new Map<string, string>();
  /** By the fp32 value of the same matrix. */
  private readonly packed = new Map<string, PackedNumbers & { readonly values: PackedValues }>();
  /** Sums over blocks, by what is summed and the size of a block. */
  private readonly blockSums = new Map<string, string>();
  private nextValue = 0;

  constructor(private readonly name: string) {}

  input(name: string, elementType: ElementType, shape: Shape): string {
    this.inputs.push(valueInfo(name, elementType, shape));
    return name;
  }

  /** Declares `value` as an output called `name`. */
  output(name: string, value: string, elementType: ElementType, shape: Shape): void {
    this.nodes.push(create(NodeProtoSchema, { opType: 'Identity', input: [value], output: [name], name }));
    this.outputs.push(valueInfo(name, elementType, shape));
  }

  /** A trained tensor under its state-dict name, as fp32 whatever it is stored as. */
  weight(name: string, weight: Weight): string {
    const { stored, source } = weight;
    if ('packed' in source) return this.packedWeight(name, weight, source.packed);
    if (!stored) return this.storedWeight(name, weight);
    return stored.steps.reduce(
      (value, step) => this.weightStep(value, step),
      this.storedWeight(stored.name, { ...weight, shape: stored.shape }),
    );
  }

  /** x W^T for a trained matrix W, [out, in]; a packed one is multiplied as it is. @param weight as `weight` named it. */
  product(x: string, weight: string): string {
    const packed = this.packed.get(weight);
    if (!packed) return this.op('MatMul', [x, this.op('Transpose', [weight], { perm: [1, 0] })]);
    const { values, scales, leasts } = packed;
    const { codes, bits, blockSize, shape } = values;
    const [N, K] = shape as [number, number];
    const y = this.op('MatMulNBits', [x, codes, scales], { K, N, bits, block_size: blockSize });
    if (leasts === undefined) return y;
    const key = `${x}/${blockSize}`;
    const blocks = () => this.op('Reshape', [x, this.ints([-1, K / blockSize, blockSize])]);
    const sums = this.blockSums.get(key) ?? this.op('ReduceSum', [blocks(), this.ints([-1])], { keepdims: 0 });
    this.blockSums.set(key, sums);
    const added = this.op('MatMul', [sums, this.op('Transpose', [leasts], { perm: [1, 0] })]);
    return this.op('Add', [y, this.op('Reshape', [added, this.op('Shape', [y])])]);
  }

  private packedValues(name: string, { shape }: Weight, packed: PackedWeight): PackedValues {
    const { bits, blockSize, lift, codes, scales, leasts } = packed;
    const add = (kind: string, weight: Weight) => {
      const key = `${name}.${kind}`;
      if (!this.initializers.has(key)) this.initializers.set(key, weightTensor(key, weight));
      return key;
    };
    const numbers = (kind: string, { bases, factors }: BlockNumbers) => ({
      bases: add(kind, bases),
      factors: factors && add(`${kind}.factors`, factors),
    });
    return {
      ...{ bits, blockSize, lift, shape },
      codes: add('codes', codes),
      scales: numbers('scales', scales),
      leasts: leasts && numbers('leasts', leasts),
    };
  }

  /** A packed matrix as fp32, for uses other than a product with it. */
  private packedWeight(name: string, weight: Weight, packed: PackedWeight): string {
    const values = this.packedValues(name, weight, packed);
    const [nRows, nColumns] = weight.shape as [number, number];
    const numbers = this.blockNumbers(values, this.ints([nRows, nColumns / values.blockSize]));
    const value = this.unpacked(values, numbers, this.ints(weight.shape));
    this.packed.set(value, { values, ...numbers });
    return value;
  }

  /** Scales and leasts as fp32. @param shape of each. */
  private blockNumbers({ scales: stored, leasts: storedLeasts, lift }: PackedValues, shape: string): PackedNumbers {
    const asFloats = ({ bases, factors }: StoredNumbers) => {
      const floats = this.cast(bases, 'float32');
      if (factors === undefined) return floats;
      const perBase = this.op('Unsqueeze', [floats, this.ints([-1])]);
      return this.op('Reshape', [this.op('Mul', [perBase, this.cast(factors, 'float32')]), shape]);
    };
    const scales = asFloats(stored);
    if (!storedLeasts) return { scales, leasts: undefined };
    const leasts = asFloats(storedLeasts);
    return {
      scales,
      leasts: lift === 0 ? leasts : this.op('Add', [leasts, this.op('Mul', [scales, this.scalar(lift)])]),
    };
  }

  /** @param shape of the fp32 values. */
  private unpacked({ bits, codes }: PackedValues, { scales, leasts }: PackedNumbers, shape: string): string {
    const uint8 = (value: number) => this.constant('uint8', [], Uint8Array.of(value));
    const axis = this.ints([-1]);
    // [..., bytes of a block, codes of a byte]
    const ofBytes =
      bits === 8
        ? [codes]
        : [this.op('BitwiseAnd', [codes, uint8(15)]), this.op('BitShift', [codes, uint8(4)], { direction: 'RIGHT' })];
    const separate = ofBytes.map(part => this.op('Unsqueeze', [this.cast(part, 'float32'), axis]));
    const all = separate.length === 1 ? separate[0]! : this.op('Concat', separate, { axis: -1 });
    const perBlock = (value: string) => this.op('Unsqueeze', [value, this.ints([-1, -2])]);
    const scaled = this.op('Mul', [this.op('Sub', [all, this.scalar(2 ** (bits - 1))]), perBlock(scales)]);
    return this.op('Reshape', [leasts ? this.op('Add', [scaled, perBlock(leasts)]) : scaled, shape]);
  }

  /** A tensor as it is stored, as fp32; once for all weights that are parts of it. */
  private storedWeight(name: string, weight: Weight): string {
    if (!this.initializers.has(name)) this.initializers.set(name, weightTensor(name, weight));
    if (weight.elementType === 'float32') return name;
    const cast = this.casts.get(name) ?? this.cast(name, 'float32');
    this.casts.set(name, cast);
    return cast;
  }

  private weightStep(value: string, step: WeightStep): string {
    if ('reshape' in step) return this.op('Reshape', [value, this.ints(step.reshape)]);
    if ('transpose' in step) return this.op('Transpose', [value], { perm: step.transpose });
    const { axis, start, end, step: stride = 1 } = step.slice;
    return this.op('Slice', [value, ...[start, end, axis, stride].map(n => this.ints([n]))]);
  }

  /**
   * A trained matrix in stretches of rows of at most `maxBytes` as fp32, each under its own name: what is converted or
   * copied is then one stretch at a time.
   */
  weightParts(name: string, weight: Weight, maxBytes: number): string[] {
    const [nRows = 1, ...rest] = weight.shape;
    const rowSize = rest.reduce((product, n) => product * n, 1);
    const step = Math.max(1, Math.floor(maxBytes / (4 * rowSize)));
    if (step >= nRows) return [this.weight(name, weight)];
    return Array.from({ length: Math.ceil(nRows / step) }, (_, part) => {
      const first = part * step;
      return this.weight(`${name}.${part}`, rowsOf(weight, first, Math.min(step, nRows - first)));
    });
  }

  /** Rows of a trained table, as fp32; only the rows are converted. @param ids int64. */
  rows(name: string, weight: Weight, ids: string): string {
    const { source, shape } = weight;
    if ('packed' in source) {
      const { codes, scales, leasts, ...kind } = this.packedValues(name, weight, source.packed);
      const of = (table: string) => this.op('Gather', [table, ids]);
      const numbers = ({ bases, factors }: StoredNumbers) => ({ bases: of(bases), factors: factors && of(factors) });
      const gathered = { ...kind, codes: of(codes), scales: numbers(scales), leasts: leasts && numbers(leasts) };
      const nColumns = shape[1]!;
      const each = (n: number) => this.op('Concat', [this.op('Shape', [ids]), this.ints([n])], { axis: 0 });
      return this.unpacked(gathered, this.blockNumbers(gathered, each(nColumns / kind.blockSize)), each(nColumns));
    }
    if (!this.initializers.has(name)) this.initializers.set(name, weightTensor(name, weight));
    const rows = this.op('Gather', [name, ids]);
    return weight.elementType === 'float32' ? rows : this.cast(rows, 'float32');
  }

  cast(value: string, elementType: ElementType): string {
    return this.op('Cast', [value], { to: onnxTypes[elementType] });
  }

  floats(values: readonly number[] | Float32Array, shape: readonly number[]): string {
    const data = values instanceof Float32Array ? values : Float32Array.from(values);
    return this.constant('float32', shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** A rank-1 int64 constant: a shape, axes, or slice bounds. */
  ints(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.constant('int64', [values.length], new Uint8Array(data.buffer));
  }

  /** An int32 constant. */
  integers(values: readonly number[], shape: readonly number[]): string {
    return this.constant('int32', shape, new Uint8Array(Int32Array.from(values).buffer));
  }

  /** A rank-1 constant of texts. */
  strings(values: readonly string[]): string {
    const name = `c${this.nextValue++}`;
    const stringData = values.map(value => new TextEncoder().encode(value));
    const dims = [BigInt(values.length)];
    this.initializers.set(name, create(TensorProtoSchema, { name, dataType: onnxTypes.string, dims, stringData }));
    return name;
  }

  scalar(value: number): string {
    return this.floats([value], []);
  }

  /** Adds a node of the default operator set and returns the name of its (first) output. */
  op(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    return this.ops(opType, inputs, attributes, 1)[0]!;
  }

  /** As `op`, for nodes with several outputs. */
  ops(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>>,
    nOutputs: number,
  ): string[] {
    const outputs = Array.from({ length: nOutputs }, () => `v${this.nextValue++}`);
    this.nodes.push(
      create(NodeProtoSchema, {
        opType,
        domain: ownOperators.has(opType) ? ownDomain : '',
        input: [...inputs],
        output: outputs,
        name: `${opType}_${outputs[0]}`,
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      }),
    );
    return outputs;
  }

  /** The serialised model, holding only what the declared outputs need. */
  build(): Uint8Array {
    const needed = new Set(this.outputs.map(output => output.name));
    const kept: NodeProto[] = [];
    for (const node of this.nodes.toReversed()) {
      if (!node.output.some(name => needed.has(name))) continue;
      kept.push(node);
      for (const name of node.input) needed.add(name);
    }
    const model = create(ModelProtoSchema, {
      irVersion,
      opsetImport: [
        create(OperatorSetIdProtoSchema, { domain: '', version: opsetVersion }),
        ...(kept.some(({ domain }) => domain === ownDomain)
          ? [create(OperatorSetIdProtoSchema, { domain: ownDomain, version: 1n })]
          : []),
      ],
      producerName: 'mta-inspector',
      graph: create(GraphProtoSchema, {
        name: this.name,
        node: kept.reverse(),
        input: this.inputs.filter(input => needed.has(input.name)),
        output: this.outputs,
        initializer: [...this.initializers.values()].filter(tensor => needed.has(tensor.name)),
      }),
    });
    return toBinary(ModelProtoSchema, model);
  }

  private constant(elementType: ElementType, shape: readonly number[], bytes: Uint8Array): string {
    const name = `c${this.nextValue++}`;
    this.initializers.set(name, weightTensor(name, { elementType, shape, source: { bytes } }));
    return name;
  }
}

/** The weight of `count` rows from `first` on: a part of the same bytes. */
export function rowsOf({ elementType, shape, source }: Weight, first: number, count: number): Weight {
  const nRows = shape[0]!;
  const part = { elementType, shape: [count, ...shape.slice(1)] };
  if ('packed' in source) {
    const { codes, scales, leasts, ...kind } = source.packed;
    const of = (weight: Weight) => rowsOf(weight, first, count);
    const numbers = ({ bases, factors }: BlockNumbers) => ({ bases: of(bases), factors: factors && of(factors) });
    return {
      ...part,
      source: { packed: { ...kind, codes: of(codes), scales: numbers(scales), leasts: leasts && numbers(leasts) } },
    };
  }
  if ('bytes' in source) {
    const rowBytes = source.bytes.length / nRows;
    return { ...part, source: { bytes: source.bytes.subarray(first * rowBytes, (first + count) * rowBytes) } };
  }
  const rowBytes = source.length / nRows;
  return {
    ...part,
    source: { file: source.file, offset: source.offset + first * rowBytes, length: count * rowBytes },
  };
}

function weightTensor(name: string, { elementType, shape, source }: Weight): TensorProto {
  if ('packed' in source) throw new TypeError(`${name} is packed: it has no tensor of its own`);
  const tensor = create(TensorProtoSchema, { name, dataType: onnxTypes[elementType], dims: shape.map(BigInt) });
  if ('bytes' in source) {
    tensor.rawData = source.bytes;
    return tensor;
  }
  tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
  tensor.externalData = [
    { key: 'location', value: source.file },
    { key: 'offset', value: String(source.offset) },
    { key: 'length', value: String(source.length) },
  ].map(entry => ({ $typeName: 'onnx.StringStringEntryProto' as const, ...entry }));
  return tensor;
}

export function valueInfo(name: string, elementType: ElementType, shape: Shape): ValueInfoProto {
  const dim = shape.map(size =>
    create(TensorShapeProto_DimensionSchema, {
      value: typeof size === 'string' ? { case: 'dimParam', value: size } : { case: 'dimValue', value: BigInt(size) },
    }),
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: {
        case: 'tensorType',
        value: create(TypeProto_TensorSchema, {
          elemType: onnxTypes[elementType],
          shape: create(TensorShapeProtoSchema, { dim }),
        }),
      },
    }),
  });
}

function attribute(name: string, value: AttributeValue): AttributeProto {
  const types = AttributeProto_AttributeType;
  if (typeof value === 'number') return create(AttributeProtoSchema, { name, type: types.INT, i: BigInt(value) });
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: types.STRING, s: new TextEncoder().encode(value) });
  }
  if ('float' in value) return create(AttributeProtoSchema, { name, type: types.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: types.INTS, ints: value.map(BigInt) });
}
