/**
 * Reads back what a built graph takes and gives; gathers the weights that it points at into one file, or makes inputs of
 * them. Pure.
 */

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { valueInfo } from './graphBuilder';
import {
  type GraphProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
  type ValueInfoProto,
} from './onnx/onnx_pb';

/** A tensor that goes in or comes out, in the words of the Open Inference Protocol; -1 for sizes known only at run time. */
export interface TensorDescription {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** A range of a weight file, and where it goes in the gathered one. */
interface WeightPiece {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  readonly target: number;
}

export interface GraphFile {
  readonly graph: Uint8Array;
  readonly pieces: readonly WeightPiece[];
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
}

const datatypes: Partial<Record<TensorProto_DataType, string>> = {
  [TensorProto_DataType.FLOAT]: 'FP32',
  [TensorProto_DataType.INT64]: 'INT64',
  [TensorProto_DataType.INT32]: 'INT32',
  [TensorProto_DataType.INT8]: 'INT8',
  [TensorProto_DataType.BOOL]: 'BOOL',
  [TensorProto_DataType.STRING]: 'BYTES',
};

/** Weights begin at multiples of a page, so that a runtime can map them. */
const pageBytes = 4096;

/** Names of the files that the weights of a graph are in. */
export function weightFilesOf(built: Uint8Array): Set<string> {
  const { initializer = [] } = fromBinary(ModelProtoSchema, built).graph ?? {};
  const entries = initializer.flatMap(({ externalData }) => externalData);
  return new Set(entries.filter(({ key }) => key === 'location').map(({ value }) => value));
}

/** A matrix that a graph takes as an input: a range of a file, as it is stored. */
export interface FedWeight {
  readonly name: string;
  readonly stored: StoredType;
  readonly shape: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** What a graph may be fed as weights. */
export type StoredType = 'float32' | 'float16' | 'bfloat16' | 'uint8' | 'int8';

const storedTypes: Partial<Record<TensorProto_DataType, StoredType>> = {
  [TensorProto_DataType.FLOAT]: 'float32',
  [TensorProto_DataType.FLOAT16]: 'float16',
  [TensorProto_DataType.BFLOAT16]: 'bfloat16',
  [TensorProto_DataType.UINT8]: 'uint8',
  [TensorProto_DataType.INT8]: 'int8',
};

/**
 * Makes inputs of the matrices that a graph points at, so that several sessions can use the same memory. Vectors and
 * kernels stay: they are small, and the runtime works with them ahead. So do 4-bit matrices that are multiplied: the runtime
 * is quick only with those that it lays out itself.
 * @param typeOf the type that a stored one is fed as; null: it stays in its file.
 */
export function feedWeights(
  built: Uint8Array,
  typeOf: (stored: StoredType) => 'float32' | 'float16' | 'uint8' | 'int8' | null,
): { readonly graph: Uint8Array; readonly fed: readonly FedWeight[] } {
  const model = fromBinary(ModelProtoSchema, built);
  const graph = model.graph!;
  const fed: FedWeight[] = [];
  const laidOut = fourBitFiles(graph);
  graph.initializer = graph.initializer.filter(tensor => {
    const weight = storedWeight(tensor);
    if (!weight) return true;
    const { stored, shape } = weight;
    const isMatrix = shape.length === 2 || stored === 'uint8' || stored === 'int8';
    const type = isMatrix ? typeOf(stored) : null;
    if (!type || laidOut.has(weight.file)) return true;
    fed.push(weight);
    graph.input.push(valueInfo(tensor.name, type, shape));
    return false;
  });
  return fed.length === 0 ? { graph: built, fed } : { graph: toBinary(ModelProtoSchema, model), fed };
}

/** A tensor that lies in a file; null for one that the graph holds itself, or of another type. */
export function storedWeight(tensor: TensorProto): FedWeight | null {
  const stored = storedTypes[tensor.dataType as TensorProto_DataType];
  if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL || !stored) return null;
  const { file, offset, length } = placeOf(tensor);
  const place = { file: file.value, offset: Number(offset.value), length };
  return { name: tensor.name, stored, shape: tensor.dims.map(Number), ...place };
}

/** Files with matrices of 4-bit codes that are multiplied. */
function fourBitFiles({ node, initializer }: GraphProto): Set<string> {
  const codes = new Set(
    node
      .filter(
        ({ opType, attribute }) => opType === 'MatMulNBits' && attribute.some(a => a.name === 'bits' && a.i === 4n),
      )
      .map(({ input }) => input[1]),
  );
  return new Set(initializer.filter(({ name }) => codes.has(name)).map(tensor => placeOf(tensor).file.value));
}

/** @param weightFile name of the gathered file, beside the graph's. */
export function gatherWeights(built: Uint8Array, weightFile: string): GraphFile {
  const model = fromBinary(ModelProtoSchema, built);
  const { input = [], output = [], initializer = [] } = model.graph ?? {};
  const pieces: WeightPiece[] = [];
  let end = 0;
  for (const tensor of initializer) {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) continue;
    const { file, offset, length } = placeOf(tensor);
    const target = Math.ceil(end / pageBytes) * pageBytes;
    pieces.push({ file: file.value, offset: Number(offset.value), length, target });
    file.value = weightFile;
    offset.value = String(target);
    end = target + length;
  }
  const graph = toBinary(ModelProtoSchema, model);
  return { graph, pieces, inputs: input.map(describe), outputs: output.map(describe) };
}

/** Where an external tensor is, as entries that may be changed. */
function placeOf({ externalData }: TensorProto) {
  const entry = (key: string) => externalData.find(each => each.key === key)!;
  return { file: entry('location'), offset: entry('offset'), length: Number(entry('length').value) };
}

function describe({ name, type }: ValueInfoProto): TensorDescription {
  const tensor = type!.value.value as {
    elemType: number;
    shape?: { dim: { value: { case?: string; value?: unknown } }[] };
  };
  return {
    name,
    datatype: datatypes[tensor.elemType as TensorProto_DataType]!,
    shape: tensor.shape!.dim.map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : -1)),
  };
}
