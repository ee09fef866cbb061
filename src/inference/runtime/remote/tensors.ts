/** Tensors of the Open Inference Protocol: its type names, its bytes, and the check of answers against the request. */

import type { Value } from '../session';
import { remoteFailures } from './failures';

/** A text tensor; everything else is a `Value`. */
export interface Texts {
  readonly type: 'string';
  readonly data: readonly string[];
  readonly dims: readonly number[];
}

export type Tensor = Value | Texts;
export type Tensors = Readonly<Record<string, Tensor>>;

/** What an answer must be: all sizes are known before it comes. */
export interface Expected {
  readonly type: Tensor['type'];
  readonly dims: readonly number[];
}

/** One request: inputs, and each output with what it must be. */
export interface InferCall {
  readonly model: string;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Expected>>;
}

export const datatypeOf: Readonly<Record<Tensor['type'], string>> = {
  float32: 'FP32',
  int64: 'INT64',
  int32: 'INT32',
  int8: 'INT8',
  bool: 'BOOL',
  string: 'BYTES',
};

const elementBytes: Readonly<Record<Value['type'], number>> = { float32: 4, int64: 8, int32: 4, int8: 1, bool: 1 };
/** The longest text taken from a server: a tokenizer of a large vocabulary has some 20 MB. */
const maxTextBytes = 64 * 1024 * 1024;
/** Digits, sign, exponent and comma of one number in JSON. */
const jsonNumberBytes = 28;

function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, n) => product * n, 1);
}

/** No honest answer to the call is longer. */
export function maxReplyBytes({ outputs }: InferCall): number {
  const bytes = Object.values(outputs).map(({ type, dims }) =>
    type === 'string' ? maxTextBytes : sizeOf(dims) * jsonNumberBytes,
  );
  return bytes.reduce((sum, n) => sum + n, 1 << 16);
}

/** The tensor's own memory as bytes, little-endian and row-major. */
export function toBytes({ data }: Value): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** @throws Failure when there are more or fewer bytes than the shape needs. */
export function fromBytes(bytes: Uint8Array, { type, dims }: Expected, where: string): Tensor {
  if (type === 'string') return { type, dims, data: readTexts(bytes, sizeOf(dims), where) };
  const expectedBytes = sizeOf(dims) * elementBytes[type];
  if (bytes.byteLength !== expectedBytes) {
    throw remoteFailures.badAnswer(
      where,
      `${bytes.byteLength} bytes`,
      `${expectedBytes} for ${dims.join('×')} of ${type}`,
    );
  }
  const { buffer } = new Uint8Array(bytes); // a copy: aligned, and free of the message around it
  return { type, dims, data: fromBuffer(type, buffer as ArrayBuffer) };
}

/** @throws Failure when a number does not fit its type. */
export function fromNumbers(numbers: readonly unknown[], { type, dims }: Expected, where: string): Tensor {
  if (numbers.length !== sizeOf(dims)) {
    throw remoteFailures.badAnswer(where, `${numbers.length} elements`, `${sizeOf(dims)} for ${dims.join('×')}`);
  }
  const isRight = (value: unknown) => {
    if (type === 'string') return typeof value === 'string';
    if (type === 'bool') return typeof value === 'boolean' || value === 0 || value === 1;
    if (type === 'float32') return typeof value === 'number';
    return typeof value === 'bigint' || Number.isSafeInteger(value);
  };
  const wrong = numbers.findIndex(value => !isRight(value));
  if (wrong >= 0) throw remoteFailures.badAnswer(where, `a ${typeof numbers[wrong]} among its elements`, type);
  switch (type) {
    case 'string':
      return { type, dims, data: numbers as string[] };
    case 'int64':
      return { type, dims, data: BigInt64Array.from(numbers as number[], BigInt) };
    case 'float32':
      return { type, dims, data: Float32Array.from(numbers as number[]) };
    default:
      return { type, dims, data: arrays[type].from((numbers as number[]).map(Number)) };
  }
}

/** @throws Failure when the output is of another type or shape than requested. */
export function checkShape(expected: Expected, datatype: unknown, shape: unknown, where: string): void {
  // Lists are not numbers here, and converting one that is deep enough would end the stack.
  const number = (n: unknown) => (typeof n === 'object' ? Number.NaN : Number(n));
  const dims = Array.isArray(shape) ? shape.slice(0, 16).map(number).join('×') : 'no shape';
  const required = `${datatypeOf[expected.type]} ${expected.dims.join('×')}`;
  // What is not in the protocol is not repeated: a server writes there what it wants.
  const isKnown = typeof datatype === 'string' && /^(BOOL|U?INT(8|16|32|64)|FP(16|32|64)|BF16|BYTES)$/.test(datatype);
  const found = `${isKnown ? datatype : 'of an unknown datatype'} ${dims.slice(0, 80)}`;
  if (found !== required) throw remoteFailures.badAnswer(where, found, required);
}

const arrays = { float32: Float32Array, int32: Int32Array, int8: Int8Array, bool: Uint8Array } as const;

function fromBuffer(type: Value['type'], buffer: ArrayBuffer): Value['data'] {
  return type === 'int64' ? new BigInt64Array(buffer) : new arrays[type](buffer);
}

/** Texts travel one after the other, each with its length before it. */
function readTexts(bytes: Uint8Array, count: number, where: string): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const length = at + 4 <= bytes.byteLength ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > bytes.byteLength) throw remoteFailures.badAnswer(where, 'a text cut short', 'whole texts');
    texts.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return texts;
}

/** @throws RemoteFailure when an output is missing. */
export function complete(tensors: Readonly<Record<string, Tensor>>, call: InferCall): Tensors {
  for (const name of Object.keys(call.outputs)) {
    if (!tensors[name]) throw remoteFailures.badAnswer(`${name} of ${call.model}`, 'missing', 'an output');
  }
  return tensors;
}
