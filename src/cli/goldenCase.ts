/** Golden cases in the format `mta-golden-1`: a JSON description and a file of little-endian tensors. */

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { type ModelConfig, parseModelConfig } from '../graph/modelConfig';
import { Failure } from '../shared/tools/failure';
import { checked, finite, type Schema, whole } from '../shared/tools/schema';

/** Most numbers of one tensor that the format's generator makes: far above the largest known case. */
const maxElements = 1 << 26;
const shapeSchema = v.pipe(
  v.array(whole(0, maxElements)),
  v.maxLength(8),
  v.check(shape => elements(shape) <= maxElements),
);
const rawTensorSchema = v.object({
  role: v.picklist(['input', 'weight', 'intermediate', 'output']),
  dtype: v.picklist(['float32', 'int32']),
  shape: shapeSchema,
  offset: whole(),
  count: whole(0, maxElements),
});
const indexSchema = v.object({
  format: v.literal('mta-golden-1'),
  cases: v.array(v.object({ name: v.pipe(v.string(), v.regex(/^[\w.-]+$/)) })),
});
const caseSchema = v.looseObject({
  kind: v.string(),
  bin: v.optional(v.string()),
  tensors: v.nullish(v.record(v.string(), rawTensorSchema)),
});
const attentionSchema = v.object({
  dim: whole(1, maxElements),
  nHeads: whole(1, 1024),
  nKvHeads: whole(1, 1024),
  headDim: whole(1, 4096),
  ropeTheta: finite(),
  layerId: whole(0, 1024),
  docLengths: v.nullish(v.array(whole(1))),
  mta: v.unknown(),
});
const modelSchema = v.object({
  seed: finite(),
  mta: v.unknown(),
  model: v.object({
    dim: whole(1, maxElements),
    n_layers: whole(1, 1024),
    n_heads: whole(1, 1024),
    n_kv_heads: v.nullish(whole(1, 1024)),
    rope_theta: v.nullish(finite()),
    weight_tying: v.nullish(v.boolean()),
    vocab_size: whole(1, maxElements),
    max_seqlen: whole(1, maxElements),
  }),
});

export interface GoldenTensor extends Omit<v.InferOutput<typeof rawTensorSchema>, 'offset' | 'count'> {
  readonly data: Float32Array | Int32Array;
}

export interface GoldenCase {
  readonly name: string;
  /** `attention`, `model` and `toy-data` are run; other implementations' layers are listed. */
  readonly kind: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, GoldenTensor>;
}

/** @throws Failure if the folder holds no `mta-golden-1` index. */
export function listGoldenCases(directory: string): string[] {
  return parseGoldenIndex(readFile(join(directory, 'index.json')), join(directory, 'index.json'));
}

/** Names of the cases. @throws Failure `bad-golden` */
export function parseGoldenIndex(bytes: Uint8Array, where: string): string[] {
  return checkedJson(indexSchema, bytes, where).cases.map(({ name }) => name);
}

/** @throws Failure `bad-golden` */
export function readGoldenCase(directory: string, name: string): GoldenCase {
  const file = join(directory, `${name}.json`);
  // Its tensors lie beside it: a name that leads elsewhere is not followed.
  return parseGoldenCase(name, readFile(file), file, bin => readFile(join(directory, basename(bin))));
}

/**
 * @param readTensors gives the file of the tensors by its name.
 * @throws Failure `bad-golden` naming the tensor whose range lies outside its file.
 */
export function parseGoldenCase(
  name: string,
  bytes: Uint8Array,
  where: string,
  readTensors: (name: string) => Uint8Array,
): GoldenCase {
  const json = checkedJson(caseSchema, bytes, where);
  const tensors = new Map<string, GoldenTensor>();
  if (json.tensors) {
    const file = readTensors(json.bin ?? `${name}.bin`);
    for (const [key, { offset, count, ...tensor }] of Object.entries(json.tensors)) {
      const end = offset + 4 * count;
      if (end > file.length) throw bad(where, `tensor ${key} ends at byte ${end} of ${file.length}`);
      const copy = new Uint8Array(file.subarray(offset, end)).buffer;
      tensors.set(key, { ...tensor, data: tensor.dtype === 'int32' ? new Int32Array(copy) : new Float32Array(copy) });
    }
  }
  return { name, kind: json.kind, json, tensors };
}

/** Configuration and weights of an attention or model case, as our engine names them. */
export interface GoldenModel {
  readonly config: ModelConfig;
  readonly weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
}

export function goldenAttention(golden: GoldenCase): GoldenModel & { layerId: number; docLengths?: number[] } {
  const raw = checked(attentionSchema, golden.json['config'], why => bad(golden.name, `config: ${why}`));
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, tensor] of golden.tensors) {
    if (tensor.role !== 'weight') continue;
    weights.set(`layers.${raw.layerId}.attention.${key}`, { shape: tensor.shape, data: tensor.data as Float32Array });
  }
  const config = {
    ...baseConfig(golden.name, raw.mta, raw.nHeads, 1000),
    dim: raw.dim,
    head_dim: raw.headDim,
    rotary_dim: raw.headDim,
    n_kv_heads: raw.nKvHeads,
    rope_theta: raw.ropeTheta,
  };
  return { config, weights, layerId: raw.layerId, ...(raw.docLengths ? { docLengths: raw.docLengths } : {}) };
}

export function goldenModel(golden: GoldenCase): GoldenModel {
  const { config, stateDictShapes } = golden.json;
  const { model, mta, seed } = checked(modelSchema, config, why => bad(golden.name, `config: ${why}`));
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, tensor] of golden.tensors) {
    if (tensor.role === 'weight') weights.set(key, { shape: tensor.shape, data: tensor.data as Float32Array });
  }
  if (weights.size === 0 && stateDictShapes) {
    const fail = (why: string) => bad(golden.name, `stateDictShapes: ${why}`);
    const shapes = checked(v.record(v.string(), shapeSchema), stateDictShapes, fail);
    const total = Object.values(shapes).reduce((sum, shape) => sum + elements(shape), 0);
    if (total > maxElements) throw fail(`${total} numbers are more than ${maxElements}`);
    for (const [key, shape] of Object.entries(shapes))
      weights.set(key, { shape, data: generateWeight(key, shape, seed) });
  }
  const hidden = weights.get('layers.0.feed_forward.w1.weight')?.shape[0];
  if (!hidden) throw bad(golden.name, 'it has no feed_forward weights');
  const sizes = {
    ...baseConfig(golden.name, mta, model.n_heads, model.n_layers),
    dim: model.dim,
    n_layers: model.n_layers,
    n_kv_heads: model.n_kv_heads ?? model.n_heads,
    head_dim: model.dim / model.n_heads,
    rotary_dim: model.dim / model.n_heads,
    hidden_dim: hidden,
    vocab_size: model.vocab_size,
    max_seqlen: model.max_seqlen,
    rope_theta: model.rope_theta ?? 10_000,
    weight_tying: model.weight_tying ?? false,
  };
  return { config: sizes, weights };
}

function baseConfig(name: string, mta: unknown, nHeads: number, nLayers: number): ModelConfig {
  const sizes = { dim: 2 * nHeads, n_layers: nLayers, n_heads: nHeads, hidden_dim: 1, vocab_size: 1, max_seqlen: 1 };
  return parseModelConfig({ name, ...sizes, mta }, `golden case ${name}`);
}

/** The format's generator for weights that are not stored: FNV-1a of the key, mulberry32, row-major (format notes). */
export function generateWeight(key: string, shape: readonly number[], seed: number): Float32Array {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(key)) hash = Math.imul(hash ^ byte, 0x01000193);
  let state = hash ^ seed;
  const draw = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const count = elements(shape);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = 2 * draw() - 1;
  return Float32Array.from(scaleGenerated(key, shape, values));
}

function scaleGenerated(key: string, shape: readonly number[], v: Float64Array): Float64Array {
  const isBias = key.endsWith('bias');
  const isNorm = key.endsWith('norm.weight') || key.endsWith('subln.weight');
  if (key.includes('.lambda_')) return v.map(x => 0.5 * x);
  if (isNorm || (shape.length === 1 && !isBias)) return v.map(x => 1 + 0.2 * x);
  if (isBias) return v.map(x => 0.5 * x);
  if (key.includes('mta_kernel')) {
    const [, , nQueries = 1, nKeys = 1] = shape;
    const centre = (nQueries - 1) * nKeys + Math.floor(nKeys / 2);
    return v.map((x, i) => 0.3 * x + (i % (nQueries * nKeys) === centre ? 1 : 0));
  }
  if (/wpsm|wposm|head_kernel/.test(key)) {
    const n = shape.at(-1)!;
    return v.map((x, i) => 0.3 * x + (Math.floor(i / n) % n === i % n ? 1 : 0));
  }
  return v.map(x => (x * Math.sqrt(3)) / Math.sqrt(shape[1]!));
}

function checkedJson<T>(schema: Schema<T>, bytes: Uint8Array, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw bad(where, 'it is not JSON');
  }
  return checked(schema, json, why => bad(where, why));
}

function readFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw bad(path, (error as Error).message);
  }
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

function bad(where: string, why: string): Failure {
  return new Failure('bad-golden', `Cannot read the golden case ${where}: ${why}. Export it again.`);
}
