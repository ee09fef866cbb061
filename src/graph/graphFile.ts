/** Reads back what a built graph takes and gives, and gathers the weights that it points at into one file. Pure. */

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation, TensorProto_DataType, type ValueInfoProto } from './onnx/onnx_pb';

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

/** @param weightFile name of the gathered file, beside the graph's. */
export function gatherWeights(built: Uint8Array, weightFile: string): GraphFile {
  const model = fromBinary(ModelProtoSchema, built);
  const { input = [], output = [], initializer = [] } = model.graph ?? {};
  const pieces: WeightPiece[] = [];
  let end = 0;
  for (const tensor of initializer) {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) continue;
    const entries = new Map(tensor.externalData.map(entry => [entry.key, entry]));
    const [offset, length] = [Number(entries.get('offset')!.value), Number(entries.get('length')!.value)];
    const target = Math.ceil(end / pageBytes) * pageBytes;
    pieces.push({ file: entries.get('location')!.value, offset, length, target });
    entries.get('location')!.value = weightFile;
    entries.get('offset')!.value = String(target);
    end = target + length;
  }
  const graph = toBinary(ModelProtoSchema, model);
  return { graph, pieces, inputs: input.map(describe), outputs: output.map(describe) };
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
