/** Answers of servers, in both forms of the Open Inference Protocol. */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { readResponse } from '../../src/inference/runtime/remote/grpcTransport';
import { ModelInferResponseSchema } from '../../src/inference/runtime/remote/oip/open_inference_grpc_pb';
import { readReply } from '../../src/inference/runtime/remote/restTransport';
import type { Tensors } from '../../src/inference/runtime/remote/tensors';
import { Failure } from '../../src/shared/tools/failure';
import { changedBytes, changedJsonBytes } from './mutate';
import type { Target } from './target';

const call = {
  model: 'm',
  inputs: {},
  outputs: { a: { type: 'float32', dims: [2, 2] }, b: { type: 'int64', dims: [3] }, c: { type: 'string', dims: [1] } },
} as const;
const replySeed = {
  outputs: [
    { name: 'a', datatype: 'FP32', shape: [2, 2], parameters: { binary_data_size: 16 } },
    { name: 'b', datatype: 'INT64', shape: [3], data: [1, 2, 3] },
    { name: 'c', datatype: 'BYTES', shape: [1], data: ['text'] },
  ],
};
/** An answer of the Open Inference Protocol over REST, with binary tensors behind the JSON. */
export const oipReply: Target<{ json: Uint8Array; binary: Uint8Array; stated: string | undefined }> = {
  name: 'OIP reply',
  inputs: fc.record({
    json: changedJsonBytes([replySeed]),
    binary: fc.oneof(fc.constant(new Uint8Array(16)), fc.uint8Array({ maxLength: 40 })),
    stated: fc.oneof(
      { weight: 5, arbitrary: fc.constant('right') },
      { weight: 1, arbitrary: fc.option(fc.string(), { nil: undefined }) },
    ),
  }),
  sizeOf: ({ json: bytes, binary }) => bytes.length + binary.length,
  run({ json: bytes, binary, stated }) {
    const length = stated === 'right' ? String(bytes.length) : stated;
    const headers = length === undefined ? {} : { 'inference-header-content-length': length };
    const tensors = readReply({ headers, body: Buffer.concat([bytes, binary]) }, call);
    checkSizes(tensors);
  },
};

function checkSizes(tensors: Tensors): void {
  for (const [name, { dims }] of Object.entries(call.outputs)) {
    const { data } = tensors[name]!;
    if (data.length !== dims.reduce((product: number, n) => product * n, 1)) throw new Error(`size of ${name}`);
  }
}

const texts = new TextEncoder();
/** The same outputs with their numbers in typed lists, and as raw bytes. */
const responseSeeds = [
  create(ModelInferResponseSchema, {
    modelName: 'm',
    outputs: [
      { name: 'a', datatype: 'FP32', shape: [2n, 2n], contents: { fp32Contents: [1, 2, 3, 4] } },
      { name: 'b', datatype: 'INT64', shape: [3n], contents: { int64Contents: [1n, 2n, 3n] } },
      { name: 'c', datatype: 'BYTES', shape: [1n], contents: { bytesContents: [texts.encode('text')] } },
    ],
  }),
  create(ModelInferResponseSchema, {
    modelName: 'm',
    outputs: [
      { name: 'a', datatype: 'FP32', shape: [2n, 2n] },
      { name: 'b', datatype: 'INT64', shape: [3n] },
      { name: 'c', datatype: 'BYTES', shape: [1n] },
    ],
    rawOutputContents: [new Uint8Array(16), new Uint8Array(24), Uint8Array.of(4, 0, 0, 0, ...texts.encode('text'))],
  }),
].map(response => toBinary(ModelInferResponseSchema, response));

/** Bytes of a gRPC answer: most changes leave the message readable, and its sizes or names wrong. */
export const grpcReply: Target<Uint8Array> = {
  name: 'gRPC reply',
  inputs: fc.constantFrom(...responseSeeds).chain(changedBytes),
  sizeOf: bytes => bytes.length,
  run(bytes) {
    checkSizes(readResponse(decoded(bytes), call));
  },
};

/** The transport tells what its library cannot read as a failure of the server. */
function decoded(bytes: Uint8Array) {
  try {
    return fromBinary(ModelInferResponseSchema, bytes);
  } catch (error) {
    throw new Failure('bad-answer', (error as Error).message);
  }
}
