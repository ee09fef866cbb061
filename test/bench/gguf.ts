/** A llama-class model of given sizes as a GGUF file with random weights: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */

import { closeSync, openSync, writeSync } from 'node:fs';
import { Random } from '../random';

export interface LlamaSizes {
  readonly dim: number;
  readonly n_layers: number;
  readonly n_heads: number;
  readonly hidden_dim: number;
  readonly vocab_size: number;
  readonly max_seqlen: number;
}

type Value = string | number | { readonly f32: number } | { readonly list: readonly (string | number)[] };

const codes = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 };
const alignment = 32;
/** Kinds of tokens: unknown, control, byte, normal. */
const kinds = { unknown: 2, control: 3, byte: 6, normal: 1 };

/** Writes fp32 weights; speed does not depend on their values. */
export function writeGguf(path: string, sizes: LlamaSizes): void {
  const { dim, n_layers, n_heads, hidden_dim, vocab_size, max_seqlen } = sizes;
  const special = ['<unk>', '<s>', '</s>'];
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const named = [...special, ...bytes];
  const tokens = Array.from({ length: vocab_size }, (_, i) => named[i] ?? `t${i}`);
  const kindOf = (i: number) => {
    if (i === 0) return kinds.unknown;
    return i < special.length ? kinds.control : i < named.length ? kinds.byte : kinds.normal;
  };
  const metadata: Record<string, Value> = {
    'general.architecture': 'llama',
    'llama.context_length': max_seqlen,
    'llama.embedding_length': dim,
    'llama.block_count': n_layers,
    'llama.feed_forward_length': hidden_dim,
    'llama.attention.head_count': n_heads,
    'llama.rope.dimension_count': dim / n_heads,
    'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': { list: tokens },
    'tokenizer.ggml.token_type': { list: tokens.map((_, i) => kindOf(i)) },
  };
  const matrices = { attn_q: [dim, dim], attn_k: [dim, dim], attn_v: [dim, dim], attn_output: [dim, dim] };
  const feedForward = { ffn_gate: [dim, hidden_dim], ffn_up: [dim, hidden_dim], ffn_down: [hidden_dim, dim] };
  const norms = { attn_norm: [dim], ffn_norm: [dim] };
  const tensors = new Map<string, readonly number[]>([
    ['token_embd.weight', [dim, vocab_size]],
    ['output_norm.weight', [dim]],
  ]);
  for (let i = 0; i < n_layers; i++) {
    for (const [name, shape] of Object.entries({ ...norms, ...matrices, ...feedForward })) {
      tensors.set(`blk.${i}.${name}.weight`, shape);
    }
  }
  write(path, metadata, tensors);
}

function write(path: string, metadata: Record<string, Value>, tensors: ReadonlyMap<string, readonly number[]>): void {
  const head = new Writer();
  head.raw(Buffer.from('GGUF')).uint32(3).uint64(tensors.size).uint64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) head.string(key).value(value);
  const lengthOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 4);
  const aligned = (length: number) => Math.ceil(length / alignment) * alignment;
  let offset = 0;
  for (const [name, shape] of tensors) {
    head.string(name).uint32(shape.length);
    for (const size of shape) head.uint64(size);
    head.uint32(0).uint64(offset); // of type fp32
    offset += aligned(lengthOf(shape));
  }
  const header = head.bytes();
  const file = openSync(path, 'w');
  try {
    writeSync(file, Buffer.concat([header, Buffer.alloc(aligned(header.length) - header.length)]));
    const random = new Random(5);
    const stock = Float32Array.from({ length: 1 << 16 }, () => (random.next() - 0.5) / 10);
    for (const shape of tensors.values()) {
      const values = new Float32Array(aligned(lengthOf(shape)) / 4);
      for (let i = 0; i < values.length; i++) values[i] = shape.length === 1 ? 1 : stock[i % stock.length]!;
      writeSync(file, new Uint8Array(values.buffer));
    }
  } finally {
    closeSync(file);
  }
}

class Writer {
  private readonly parts: Buffer[] = [];

  raw(bytes: Buffer): this {
    this.parts.push(bytes);
    return this;
  }

  uint32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.raw(bytes);
  }

  uint64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.raw(bytes);
  }

  string(value: string): this {
    const bytes = Buffer.from(value);
    return this.uint64(bytes.length).raw(bytes);
  }

  value(value: Value): this {
    if (typeof value === 'string') return this.uint32(codes.string).string(value);
    if (typeof value === 'number') return this.uint32(codes.uint32).uint32(value);
    if ('f32' in value) {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(value.f32);
      return this.uint32(codes.float32).raw(bytes);
    }
    const isText = typeof value.list[0] === 'string';
    this.uint32(codes.array)
      .uint32(isText ? codes.string : codes.int32)
      .uint64(value.list.length);
    for (const item of value.list) {
      if (typeof item === 'string') this.string(item);
      else this.uint32(item);
    }
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}
