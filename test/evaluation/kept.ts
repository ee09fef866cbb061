/** Measured questions in a file, so that tables can be made again, and a run that was cut goes on. */

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Measured } from './measure';

const mark = 'f32:';

export function keep(file: string, measured: Measured): void {
  const line = JSON.stringify(measured, (_, value: unknown) =>
    value instanceof Float32Array
      ? mark + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
      : value,
  );
  appendFileSync(file, `${line}\n`);
}

export function kept(file: string): Measured[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line.endsWith('}'));
  return lines.map(
    line => JSON.parse(line, (_, value: unknown) => (isPacked(value) ? unpacked(value) : value)) as Measured,
  );
}

function isPacked(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(mark);
}

function unpacked(value: string): Float32Array {
  const bytes = Buffer.from(value.slice(mark.length), 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
