/**
 * The matrices of a built graph in the form in which it uses them, cut and laid out: several graphs can then be fed with the
 * same memory, and nothing is laid out again in a run. Pure.
 */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type GraphBuilder, valueInfo } from './graphBuilder';
import { type FedWeight, type StoredType, storedWeight } from './graphFile';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
} from './onnx/onnx_pb';

/** A node between a stored matrix and its use. */
interface FormStep {
  readonly opType: 'Reshape' | 'Slice' | 'Transpose';
  readonly perm: readonly number[];
  /** Inputs after the first. */
  readonly constants: readonly (readonly number[])[];
}

/** A stored matrix and what is made of it; `name` is the value of the graph that it is. */
export interface WeightForm extends FedWeight {
  readonly steps: readonly FormStep[];
}

/** What a form is fed as. */
export interface FedForm {
  readonly type: 'float32' | 'float16';
  readonly dims: readonly number[];
}

const floats: ReadonlySet<StoredType> = new Set<StoredType>(['float32', 'float16', 'bfloat16']);

/** Matrices of fp32, fp16 and bf16 that the graph points at, each in the form in which something computes with it. */
export function weightForms(built: Uint8Array): WeightForm[] {
  const { node, initializer } = fromBinary(ModelProtoSchema, built).graph!;
  const producers = new Map(node.map(each => [each.output[0]!, each]));
  const tensors = new Map(initializer.map(tensor => [tensor.name, tensor]));
  const trace = (name: string): WeightForm | null => {
    const tensor = tensors.get(name);
    if (tensor) return storedForm(tensor);
    const producer = producers.get(name);
    const source = producer && isLayout(producer) ? trace(producer.input[0]!) : null;
    if (!producer || !source) return null;
    if (producer.opType === 'Cast') return { ...source, name };
    const constants = producer.input.slice(1).map(constant => integersOf(tensors.get(constant)));
    return constants.includes(null) ? null : { ...source, name, steps: [...source.steps, stepOf(producer, constants)] };
  };
  const forms = new Map<string, WeightForm>();
  for (const consumer of node) {
    if (consumer.output.length === 1 && trace(consumer.output[0]!)) continue;
    for (const name of consumer.input) {
      const form = forms.has(name) ? null : trace(name);
      if (form) forms.set(name, form);
    }
  }
  return [...forms.values()];
}

/**
 * The graph with inputs in place of forms, as fp32 whatever they are fed as.
 * @param maxBytes of a matrix that is widened at once, as fp32; products with larger ones are made in parts.
 */
export function feedForms(
  built: Uint8Array,
  fed: ReadonlyMap<string, FedForm>,
  maxBytes = Number.POSITIVE_INFINITY,
): Uint8Array {
  const model = fromBinary(ModelProtoSchema, built);
  const graph = model.graph!;
  graph.node = graph.node.filter(({ output }) => !fed.has(output[0]!));
  graph.initializer = graph.initializer.filter(({ name }) => !fed.has(name));
  for (const [name, { type, dims }] of fed) {
    const input = inputOf(name, type);
    graph.input.push(valueInfo(input, type, dims));
    if (type === 'float32') continue;
    const users = graph.node.filter(node => node.input.includes(name));
    const nParts = Math.ceil((4 * dims.reduce((product, n) => product * n, 1)) / maxBytes);
    const canSplit = dims.length === 2 && users.every(({ opType, input: [, b] }) => opType === 'MatMul' && b === name);
    if (nParts > 1 && canSplit) splitProducts(graph, name, input, dims[1]!, nParts);
    else graph.node.unshift(newNode('Cast', [input], name, { to: TensorProto_DataType.FLOAT }));
  }
  dropUnused(graph);
  return toBinary(ModelProtoSchema, model);
}

/** The name of the input that a form is fed to. */
export function inputOf(name: string, type: FedForm['type']): string {
  return type === 'float32' ? name : `${name}.${type}`;
}

/** Adds what makes a form of a stored matrix. @returns its value. */
export function addForm(g: GraphBuilder, stored: string, steps: readonly FormStep[]): string {
  return steps.reduce((value, { opType, perm, constants }) => {
    const inputs = [value, ...constants.map(constant => g.ints(constant))];
    return g.op(opType, inputs, perm.length > 0 ? { perm } : {});
  }, stored);
}

function storedForm(tensor: TensorProto): WeightForm | null {
  const weight = storedWeight(tensor);
  return weight && weight.shape.length >= 2 && floats.has(weight.stored) ? { ...weight, steps: [] } : null;
}

function isLayout({ opType, attribute }: NodeProto): boolean {
  if (opType !== 'Cast') return opType === 'Transpose' || opType === 'Reshape' || opType === 'Slice';
  return attribute.some(({ name, i }) => name === 'to' && i === BigInt(TensorProto_DataType.FLOAT));
}

function stepOf({ opType, attribute }: NodeProto, constants: readonly (readonly number[] | null)[]): FormStep {
  const perm = attribute.find(({ name }) => name === 'perm')?.ints.map(Number) ?? [];
  return { opType: opType as FormStep['opType'], perm, constants: constants as readonly (readonly number[])[] };
}

/** Of a rank-1 int64 constant in the graph. */
function integersOf(tensor: TensorProto | undefined): readonly number[] | null {
  if (tensor?.dataType !== TensorProto_DataType.INT64 || tensor.rawData.length === 0) return null;
  return Array.from(new BigInt64Array(tensor.rawData.slice().buffer), Number);
}

/** Makes products with a matrix [in, out] from products with some of its columns, which are widened one after the other. */
function splitProducts(graph: GraphProto, name: string, input: string, nColumns: number, nParts: number): void {
  const step = Math.ceil(nColumns / nParts / columnStep) * columnStep;
  const starts = Array.from({ length: Math.ceil(nColumns / step) }, (_, part) => part * step);
  const constant = (value: number) => `${name}.${value}`;
  for (const value of new Set([1, ...starts, nColumns])) {
    const rawData = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
    const tensor = { name: constant(value), dataType: TensorProto_DataType.INT64, dims: [1n], rawData };
    graph.initializer.push(create(TensorProtoSchema, tensor));
  }
  const parts = starts.map((start, part) => {
    const bounds = [constant(start), constant(Math.min(nColumns, start + step)), constant(1)];
    const [stored, widened] = [`${input}.part${part}`, `${name}.part${part}`];
    graph.node.unshift(
      newNode('Slice', [input, ...bounds], stored),
      newNode('Cast', [stored], widened, { to: TensorProto_DataType.FLOAT }),
    );
    return widened;
  });
  graph.node = graph.node.flatMap(node => {
    if (!node.input.includes(name)) return [node];
    const output = node.output[0]!;
    const products = parts.map((part, i) => newNode('MatMul', [node.input[0]!, part], `${output}.part${i}`));
    const outputs = products.map(product => product.output[0]!);
    return [...products, newNode('Concat', outputs, output, { axis: -1 })];
  });
}

/** Parts of a matrix have a multiple of it, but the last one: kernels are quickest with whole tiles. */
const columnStep = 64;

function newNode(
  opType: string,
  input: string[],
  output: string,
  attributes: Readonly<Record<string, number>> = {},
): NodeProto {
  return create(NodeProtoSchema, {
    ...{ opType, input, output: [output], name: `${opType}_${output}` },
    attribute: Object.entries(attributes).map(([name, value]) =>
      create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) }),
    ),
  });
}

function dropUnused(graph: GraphProto): void {
  const needed = new Set(graph.output.map(({ name }) => name));
  const kept: NodeProto[] = [];
  for (const node of graph.node.toReversed()) {
    if (!node.output.some(name => needed.has(name))) continue;
    kept.push(node);
    for (const name of node.input) needed.add(name);
  }
  graph.node = kept.reverse();
  graph.initializer = graph.initializer.filter(({ name }) => needed.has(name));
}
