/** Reads golden cases in the format `mta-golden-1`: a JSON description and a file of little-endian tensors. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelConfig, parseMtaConfig } from '../graph/modelConfig';
import { Failure } from '../shared/failure';

export interface GoldenTensor {
  readonly role: 'input' | 'weight' | 'intermediate' | 'output';
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export interface GoldenCase {
  readonly name: string;
  readonly kind: 'attention' | 'model' | 'toy-data' | 'liger';
  readonly json: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, GoldenTensor>;
}

interface RawTensor extends Omit<GoldenTensor, 'data'> {
  readonly offset: number;
  readonly count: number;
}

interface AttentionSizes {
  readonly dim: number;
  readonly nHeads: number;
  readonly nKvHeads: number;
  readonly headDim: number;
  readonly ropeTheta: number;
  readonly layerId: number;
  readonly docLengths?: number[] | null;
  readonly mta: unknown;
}

interface ModelSizes {
  readonly dim: number;
  readonly n_layers: number;
  readonly n_heads: number;
  readonly n_kv_heads?: number;
  readonly rope_theta?: number;
  readonly weight_tying?: boolean;
  readonly vocab_size: number;
  readonly max_seqlen: number;
}

/** @throws Failure if the folder holds no `mta-golden-1` index. */
export function listGoldenCases(directory: string): string[] {
  let index: { format?: string; cases?: { name: string }[] };
  try {
    index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8'));
  } catch {
    throw new Failure(
      'bad-golden',
      `Cannot read golden cases: ${join(directory, 'index.json')} is missing or no JSON.`,
    );
  }
  if (index.format !== 'mta-golden-1' || !Array.isArray(index.cases)) {
    throw new Failure('bad-golden', `Cannot read golden cases: format is ${index.format}, expected mta-golden-1.`);
  }
  return index.cases.map(({ name }) => name);
}

export function readGoldenCase(directory: string, name: string): GoldenCase {
  const json = JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8'));
  const tensors = new Map<string, GoldenTensor>();
  if (json.tensors) {
    const bytes = readFileSync(join(directory, json.bin ?? `${name}.bin`));
    for (const [key, raw] of Object.entries(json.tensors as Record<string, RawTensor>)) {
      const { role, dtype, shape, offset, count } = raw;
      const copy = new Uint8Array(bytes.subarray(offset, offset + 4 * count)).buffer;
      tensors.set(key, {
        role,
        dtype,
        shape,
        data: dtype === 'int32' ? new Int32Array(copy) : new Float32Array(copy),
      });
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
  const raw = golden.json['config'] as AttentionSizes;
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, tensor] of golden.tensors) {
    if (tensor.role !== 'weight') continue;
    weights.set(`layers.${raw.layerId}.attention.${key}`, { shape: tensor.shape, data: tensor.data as Float32Array });
  }
  const config = {
    ...baseConfig(golden.name, raw.mta, raw.nHeads, 1000),
    dim: raw.dim,
    head_dim: raw.headDim,
    n_kv_heads: raw.nKvHeads,
    rope_theta: raw.ropeTheta,
  };
  return { config, weights, layerId: raw.layerId, ...(raw.docLengths ? { docLengths: raw.docLengths } : {}) };
}

export function goldenModel(golden: GoldenCase): GoldenModel {
  const { model, mta, seed } = golden.json['config'] as { model: ModelSizes; mta: unknown; seed: number };
  const shapes = golden.json['stateDictShapes'] as Record<string, number[]> | undefined;
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, tensor] of golden.tensors) {
    if (tensor.role === 'weight') weights.set(key, { shape: tensor.shape, data: tensor.data as Float32Array });
  }
  if (weights.size === 0 && shapes) {
    for (const [key, shape] of Object.entries(shapes))
      weights.set(key, { shape, data: generateWeight(key, shape, seed) });
  }
  const hidden = weights.get('layers.0.feed_forward.w1.weight')?.shape[0];
  if (!hidden)
    throw new Failure('bad-golden', `Cannot run golden case ${golden.name}: it has no feed_forward weights.`);
  const config = {
    ...baseConfig(golden.name, mta, model.n_heads, model.n_layers),
    dim: model.dim,
    n_layers: model.n_layers,
    n_kv_heads: model.n_kv_heads ?? model.n_heads,
    head_dim: model.dim / model.n_heads,
    hidden_dim: hidden,
    vocab_size: model.vocab_size,
    max_seqlen: model.max_seqlen,
    rope_theta: model.rope_theta ?? 10_000,
    weight_tying: model.weight_tying ?? false,
  };
  return { config, weights };
}

function baseConfig(name: string, mta: unknown, nHeads: number, nLayers: number): ModelConfig {
  return {
    name,
    dim: 0,
    n_layers: nLayers,
    n_heads: nHeads,
    n_kv_heads: nHeads,
    head_dim: 0,
    hidden_dim: 0,
    vocab_size: 0,
    max_seqlen: 0,
    norm_eps: 1e-5,
    rope_theta: 10_000,
    rope_style: 'interleaved',
    rope_scaling: null,
    qkv_bias: false,
    output_bias: false,
    ffn_bias: false,
    qk_norm: null,
    norm_position: 'before',
    sliding_window: null,
    sliding_layers: null,
    weight_tying: false,
    bos_token_id: null,
    eos_token_id: null,
    mta: parseMtaConfig(mta, `golden case ${name}`, nHeads, nLayers),
  };
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
  const count = shape.reduce((product, n) => product * n, 1);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = 2 * draw() - 1;
  return Float32Array.from(scaleGenerated(key, shape, values));
}

function scaleGenerated(key: string, shape: readonly number[], v: Float64Array): Float64Array {
  if (key.endsWith('norm.weight') || key.endsWith('subln.weight')) return v.map(x => 1 + 0.2 * x);
  if (key.endsWith('bias')) return v.map(x => 0.5 * x);
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
