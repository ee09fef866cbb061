/**
 * Opens a GGUF file as a model, by its own metadata alone. Weights that ONNX Runtime has a type for are read where they are;
 * quantized ones are packed, or become numbers, when a session first uses them, so that no file is written.
 */

import { basename, dirname } from 'node:path';
import { type ElementType, rowsOf, type Weight } from '../../../graph/graphBuilder';
import { parseHuggingFaceConfig } from '../../../graph/huggingFaceConfig';
import type { ModelConfig } from '../../../graph/modelConfig';
import { expectedWeights } from '../../../graph/modelGraphs';
import type { FolderDescription, QuantizedWeights } from '../../../shared/analysis';
import { Failure } from '../../../shared/tools/failure';
import { shorten } from '../../../shared/tools/plainText';
import { beginTokenOf } from '../../../tokenization/beginToken';
import { ggufChatTemplate } from '../chatTemplate';
import { type ModelFolder, summarize } from '../folder';
import { readWhole } from '../folderFiles';
import {
  type Contents,
  maxFp32Bytes,
  type PackedPart,
  packedParts,
  packedSize,
  packedWeight,
  partOf,
  weightsOf,
} from '../packedWeights';
import { SpareBuffers } from '../spareBuffers';
import {
  type GgufPart,
  ggufModelName,
  type KeptType,
  packingOfTensor,
  readGgufParts,
  readPacked,
  readValues,
} from './files';
import type { GgufTensor } from './header';
import { type GgufModel, type RopeFactors, readModel, ropeTensors } from './metadata';
import { ggufPlace } from './tensorNames';
import { readTokenizer } from './tokenizer';
import { fileTypes, ggmlType, typeName } from './types';

/** Types that a graph reads where they are in the file. */
const plainTypes: Readonly<Record<string, ElementType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

interface Found extends GgufTensor {
  readonly part: GgufPart;
}

/**
 * @param path a `.gguf` file; of a split one, the first part.
 * @throws Failure naming the file and what is wrong with it.
 */
export async function openGguf(path: string, quantized: QuantizedWeights): Promise<ModelFolder> {
  const parts = await readGgufParts(path);
  const name = ggufModelName(path, parts[0]!.header);
  const where = `GGUF file "${name}"`;
  const { metadata } = parts[0]!.header;
  const tensors = tensorsOf(parts, name);
  const vocabSize = tensors.get('token_embd.weight')?.shape[0] ?? 0;
  const model = readModel(metadata, where, vocabSize, tensor => tensors.has(tensor), await ropeFactors(tensors, name));
  const tokenizerJson = readTokenizer(metadata, where);
  const chatTemplate = ggufChatTemplate(metadata);
  const has = (tensor: string) => tensors.has(tensor);
  const config = configOf(model, where, beginTokenOf(tokenizerJson), has);
  const expected = expectedWeights(config);
  const nValues = [...expected.values()].reduce((sum, shape) => sum + shape.reduce((product, n) => product * n, 1), 0);
  const kept: KeptType = 4 * nValues > maxFp32Bytes ? 'float16' : 'float32';
  const isMapped = canMap(tensors.values(), parts);
  const weights = new Map<string, Weight>();
  const inMemory = new Map<string, () => Promise<Contents>>();
  const spares = new SpareBuffers();
  const used = new Set<string>(ropeTensors);
  let sizeBytes = 0;
  let isPacked = false;
  for (const [key, shape] of expected) {
    const { name, rows, nRows } = ggufPlace(key, shape, config, has);
    const tensor = tensors.get(name);
    const storedShape = [nRows, ...shape.slice(1)];
    if (tensor?.shape.join() !== storedShape.join()) {
      throw unfit(where, name, tensor ? tensor.shape.join('×') || 'a single number' : 'missing', storedShape);
    }
    used.add(name);
    const { part: weightPart, ...range } = tensor;
    const { path: weightPath } = weightPart;
    const [first, end] = rows ?? [0, nRows];
    if (shape.length === 1) {
      const all = await readValues(weightPath, range, 'float32');
      const bytes = all.subarray(4 * first, 4 * end);
      weights.set(key, { elementType: 'float32', shape, source: { bytes } });
      sizeBytes += bytes.length;
      continue;
    }
    const packing = quantized === 'packed' ? packingOfTensor(tensor) : null;
    if (packing) {
      for (const part of packedParts) {
        if (packing.bytes[part] === 0) continue;
        inMemory.set(partOf(name, part), packedReader(weightPath, range, part, spares));
      }
      const packed = packedWeight(name, packing, storedShape);
      const whole: Weight = { elementType: 'float32', shape: storedShape, source: { packed } };
      weights.set(key, rows ? rowsOf(whole, first, end - first) : whole);
      sizeBytes += packedSize(packing, shape);
      isPacked = true;
      continue;
    }
    const file = isMapped ? basename(weightPath) : `${name}:values`;
    if (!isMapped) inMemory.set(file, valueReader(weightPath, range, kept));
    const rowBytes = isMapped ? (tensor.end - tensor.start) / nRows : shape[1]! * (kept === 'float32' ? 4 : 2);
    const offset = (isMapped ? tensor.start : 0) + first * rowBytes;
    const length = (end - first) * rowBytes;
    const elementType = isMapped ? plainTypes[typeName(tensor.type)]! : kept;
    weights.set(key, { elementType, shape, source: { file, offset, length } });
    sizeBytes += length;
  }
  const unused = [...tensors.keys()].find(tensor => !used.has(tensor));
  if (unused !== undefined) throw surplus(where, unused, model.name);
  return {
    directory: dirname(path),
    weightFolder: dirname(parts[0]!.path),
    config,
    configJson: model.configJson,
    tokenizerJson,
    ...weightsOf(
      name,
      weights,
      inMemory,
      new Map(parts.map(({ path }) => [basename(path), wholeReader(path)])),
      spares,
    ),
    sizeBytes,
    chatTemplate: answering(chatTemplate),
    summary: {
      ...summarize(config, path, name),
      weightType: weightTypeOf(parts),
      ...(isMapped ? {} : { weightsKeptAs: isPacked ? ('packed' as const) : kept }),
    },
  };
}

// Functions made here hold what they are given alone; those of `openGguf` would hold its headers, with tokens and merges.

const packedReader = (path: string, range: GgufTensor, part: PackedPart, spares: SpareBuffers) => () =>
  readPacked(path, range, part, spares);
const answering =
  <T>(value: T) =>
  async () =>
    value;
const wholeReader = (path: string) => () => readWhole(path);
const valueReader = (path: string, range: GgufTensor, kept: KeptType) => () => readValues(path, range, kept);

/** The configuration, with what the file itself decides. */
function configOf(
  { configJson, architecture }: GgufModel,
  where: string,
  beginTokenId: number | null,
  has: (tensor: string) => boolean,
): ModelConfig {
  const config = parseHuggingFaceConfig(configJson, where, beginTokenId);
  return {
    ...config,
    rope_style: architecture.rotatesPairs ? 'interleaved' : config.rope_style,
    // The converter has added it to the weights.
    norm_kind: config.norm_kind === 'rms_plus_one' ? 'rms' : config.norm_kind,
    qkv_bias: has('blk.0.attn_q.bias') || has('blk.0.attn_qkv.bias'),
    output_bias: has('blk.0.attn_output.bias'),
    ffn_bias: has('blk.0.ffn_up.bias'),
  };
}

/** ONNX Runtime takes a graph's weights from files of one folder, or all of them from memory. */
function canMap(tensors: Iterable<Found>, parts: readonly GgufPart[]): boolean {
  const folder = dirname(parts[0]!.path);
  return [...tensors].every(({ type, part }) => plainTypes[typeName(type)] && dirname(part.path) === folder);
}

/** A few words about a GGUF file, for lists of models. @throws Failure if it cannot be read. */
export async function describeGguf(path: string): Promise<FolderDescription> {
  const parts = await readGgufParts(path);
  const { metadata } = parts[0]!.header;
  const architecture = String(metadata.get('general.architecture')).slice(0, 40);
  const number = (key: string) => {
    const value = metadata.get(`${architecture}.${key}`);
    return String((ArrayBuffer.isView(value) ? value[0] : value) ?? '?').slice(0, 20);
  };
  const sizes = `${number('block_count')} layers, ${number('attention.head_count')} heads, context ${number('context_length')}`;
  const tokens = metadata.get('tokenizer.ggml.tokens');
  return {
    name: shorten(ggufModelName(path, parts[0]!.header), 200),
    directory: path,
    description: `${sizes}, ${weightTypeOf(parts)}`,
    vocabSize: Array.isArray(tokens) ? tokens.length : 0,
  };
}

/** The type the file is called after, or that most of its weights have. */
function weightTypeOf(parts: readonly GgufPart[]): string {
  const stated = fileTypes[Number(parts[0]!.header.metadata.get('general.file_type') ?? -1)];
  if (stated) return stated;
  const bytes = new Map<string, number>();
  for (const { type, start, end } of parts.flatMap(({ header }) => [...header.tensors.values()])) {
    const name = ggmlType(type)!;
    bytes.set(name, (bytes.get(name) ?? 0) + end - start);
  }
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '?';
}

function tensorsOf(parts: readonly GgufPart[], model: string): Map<string, Found> {
  const tensors = new Map<string, Found>();
  for (const part of parts) {
    for (const [name, tensor] of part.header.tensors) {
      if (tensors.has(name)) {
        throw new Failure(
          'bad-weights',
          `Cannot load model "${model}": two of its parts have the tensor ${name.slice(0, 60)}. Download them again.`,
          ['selectModel', 'showLog'],
        );
      }
      tensors.set(name, { ...tensor, part });
    }
  }
  return tensors;
}

/** Tables of rotary factors, which are read as configuration. */
async function ropeFactors(tensors: ReadonlyMap<string, Found>, model: string): Promise<RopeFactors> {
  const factors: { -readonly [Name in keyof RopeFactors]: RopeFactors[Name] } = {};
  for (const name of ropeTensors) {
    const tensor = tensors.get(name);
    if (!tensor) continue;
    if (tensor.shape.length !== 1 || tensor.shape[0]! > 4096) throw unfit(`GGUF file "${model}"`, name, 'too long', []);
    factors[name] = new Float32Array((await readValues(tensor.part.path, tensor, 'float32')).buffer);
  }
  return factors;
}

function unfit(where: string, tensor: string, found: string, shape: readonly number[]): Failure {
  return new Failure(
    'bad-weights',
    `Cannot load ${where}: ${tensor} is ${found}, its metadata asks for ${shape.join('×')}. Pick another model.`,
    ['selectModel', 'showLog'],
  );
}

function surplus(where: string, tensor: string, architecture: string): Failure {
  return new Failure(
    'bad-weights',
    `Cannot load ${where}: the tensor ${JSON.stringify(tensor.slice(0, 60))} has no place in the architecture ` +
      `"${architecture}" as it is computed here. Pick another model.`,
    ['selectModel', 'showLog'],
  );
}
