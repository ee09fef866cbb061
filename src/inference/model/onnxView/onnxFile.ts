/**
 * The outline of an ONNX file: inputs, outputs, parameters and the files that hold its weights. Weights are skipped, not
 * read, so a file of any size takes some milliseconds; nothing is trusted that would not fit into the file.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { TensorProto_DataType, type ValueInfoProto, ValueInfoProtoSchema } from '../../../graph/onnx/onnx_pb';

/** A tensor that goes in or comes out. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: TensorProto_DataType;
  /** Null where the file has no shape; a symbolic size is its name, or ''. */
  readonly dims: readonly (number | string)[] | null;
}

export interface OnnxFile {
  /** Without weights, which old files list among them. */
  readonly inputs: readonly OnnxTensor[];
  readonly outputs: readonly OnnxTensor[];
  readonly nParameters: number;
  readonly sizeBytes: number;
  /** Files beside it that hold weights, as the graph names them. */
  readonly externalFiles: readonly string[];
}

/** One field of a protobuf message: where its content is, or its number. */
interface Field {
  readonly number: number;
  readonly value: number;
  readonly start: number;
  readonly end: number;
}

/** Longest description of one input or output, and the most of them: a thousand layers' outputs fit. */
const maxDescriptionBytes = 1 << 16;
const maxDescriptions = 1 << 14;
/** Most fields that are looked at, and most bytes of text: graphs of the largest models have a tenth of that. */
const maxFields = 1 << 17;
const maxTextBytes = 1 << 24;
/** Protobuf's own limit on a message. */
const maxFileBytes = 2 ** 31;

/** @throws RangeError saying what is wrong with the file, as the end of a sentence. */
export function readOnnxFile(path: string): OnnxFile {
  // Opening a pipe would wait for a writer.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new RangeError('it is not a regular file');
    if (stats.size > maxFileBytes) {
      throw new RangeError(`it has ${stats.size} bytes, and an ONNX file can have ${maxFileBytes}`);
    }
    return skim(new Fields(file, stats.size));
  } finally {
    closeSync(file);
  }
}

function skim(fields: Fields): OnnxFile {
  const inputs: OnnxTensor[] = [];
  const outputs: OnnxTensor[] = [];
  const weights = new Set<string>();
  const externalFiles = new Set<string>();
  let nParameters = 0;
  let hasGraph = false;
  for (const model of fields.within(0, fields.sizeBytes)) {
    if (model.number !== 7 /* graph */) continue;
    hasGraph = true;
    for (const field of fields.within(model.start, model.end)) {
      if (field.number === 5 /* initializer */) {
        const { name, count, file } = skimTensor(fields, field);
        weights.add(name);
        nParameters += count;
        if (file !== null) externalFiles.add(file);
      } else if (field.number === 11 || field.number === 12) {
        const list = field.number === 11 ? inputs : outputs;
        if (list.length === maxDescriptions)
          throw new RangeError(`it has more than ${maxDescriptions} inputs or outputs`);
        list.push(describe(fromBinary(ValueInfoProtoSchema, fields.bytes(field, maxDescriptionBytes))));
      }
    }
  }
  if (!hasGraph) throw new RangeError('it is not an ONNX file');
  return {
    inputs: inputs.filter(({ name }) => !weights.has(name)),
    ...{ outputs, nParameters, sizeBytes: fields.sizeBytes, externalFiles: [...externalFiles] },
  };
}

const { INT32, INT64, BOOL, STRING } = TensorProto_DataType;
const noParameters: ReadonlySet<number> = new Set([INT32, INT64, BOOL, STRING]);

/** Name, parameters and external file of a weight. */
function skimTensor(fields: Fields, { start, end }: Field): { name: string; count: number; file: string | null } {
  let [name, type, count] = ['', 0, 1];
  let file: string | null = null;
  for (const field of fields.within(start, end)) {
    if (field.number === 1 /* dims */) {
      for (const size of field.start === field.end ? [field.value] : fields.varints(field)) count *= size;
    } else if (field.number === 2 /* data_type */) type = field.value;
    else if (field.number === 8 /* name */) name = fields.text(field);
    else if (field.number === 13 /* external_data */) {
      let [key, value] = ['', ''];
      for (const part of fields.within(field.start, field.end)) {
        if (part.number === 1 /* key */) key = fields.text(part);
        else if (part.number === 2 /* value */) value = fields.text(part);
      }
      if (key === 'location') file = value;
    }
  }
  return { name, count: noParameters.has(type) ? 0 : count, file };
}

function describe({ name, type }: ValueInfoProto): OnnxTensor {
  const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined;
  const dims = tensor?.shape?.dim.map(({ value }) => {
    return value.case === 'dimValue' ? Number(value.value) : value.case === 'dimParam' ? value.value : '';
  });
  return { name, type: tensor?.elemType ?? 0, dims: dims ?? null };
}

const damaged = () => new RangeError('it is not an ONNX file, or it is damaged');

/** Protobuf's fields, read from a file where they are. Source: protobuf.dev/programming-guides/encoding. */
class Fields {
  private readonly buffer = Buffer.alloc(1 << 13);
  private nFields = 0;
  private textBytes = 0;
  private bufferStart = 0;
  private bufferEnd = 0;

  constructor(
    private readonly file: number,
    readonly sizeBytes: number,
  ) {}

  *within(start: number, end: number): Generator<Field> {
    let at = start;
    const number = () => {
      const { value, next } = this.varint(at, end);
      at = next;
      return value;
    };
    while (at < end) {
      const tag = number();
      const [field, wire] = [Math.floor(tag / 8), tag % 8];
      if (field === 0) throw damaged();
      this.count();
      if (wire === 0) yield { number: field, value: number(), start: at, end: at };
      else {
        const length = wire === 2 ? number() : wire === 1 ? 8 : wire === 5 ? 4 : Number.NaN;
        if (!(at + length <= end)) throw damaged();
        yield { number: field, value: 0, start: at, end: at + length };
        at += length;
      }
    }
  }

  *varints({ start, end }: Field): Generator<number> {
    for (let at = start; at < end; ) {
      const { value, next } = this.varint(at, end);
      this.count();
      yield value;
      at = next;
    }
  }

  bytes({ start, end }: Field, maxBytes: number): Uint8Array {
    if (end - start > maxBytes)
      throw new RangeError(`a description in it has ${end - start} bytes, more than ${maxBytes}`);
    this.textBytes += end - start;
    if (this.textBytes > maxTextBytes) throw new RangeError(`its names have more than ${maxTextBytes} bytes`);
    const bytes = new Uint8Array(end - start);
    if (readSync(this.file, bytes, 0, bytes.length, start) < bytes.length) throw damaged();
    return bytes;
  }

  text(field: Field): string {
    return new TextDecoder().decode(this.bytes(field, maxDescriptionBytes));
  }

  private count(): void {
    if (++this.nFields > maxFields) throw new RangeError(`its graph has more than ${maxFields} parts`);
  }

  private varint(start: number, end: number): { value: number; next: number } {
    let value = 0;
    for (let i = 0; i < 10 && start + i < end; i++) {
      const byte = this.byteAt(start + i);
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return { value, next: start + i + 1 };
    }
    throw damaged();
  }

  private byteAt(position: number): number {
    if (position < this.bufferStart || position >= this.bufferEnd) {
      this.bufferStart = position;
      this.bufferEnd = position + readSync(this.file, this.buffer, 0, this.buffer.length, position);
      if (position >= this.bufferEnd) throw damaged();
    }
    return this.buffer[position - this.bufferStart]!;
  }
}
