/** A file in parts, each small enough for one message. Pure. */

/** Under the 1 MiB that a message may have, with room for its envelope. */
export const maxPartBytes = 1_000_000;

export interface FilePart {
  /** Of the whole file. */
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
}

/** The end that has the file: creates it when its first part is requested and keeps it until its last one is. */
export class FileParts {
  private file: Promise<Uint8Array> | undefined;

  /** @throws RangeError for a part of a file that was not started, or behind its end. */
  async part(partIdx: number, make: () => Promise<Uint8Array>): Promise<FilePart> {
    if (partIdx === 0) this.file = make();
    const { file } = this;
    const all = await file;
    const start = partIdx * maxPartBytes;
    if (!all || start >= all.length) throw new RangeError('part is none of the file');
    const end = Math.min(all.length, start + maxPartBytes);
    if (end === all.length && this.file === file) this.file = undefined;
    return { sizeBytes: all.length, bytes: all.slice(start, end) };
  }
}

/** The end that wants it. @throws Error when another file was begun meanwhile. */
export async function joinParts(ask: (partIdx: number) => Promise<FilePart>): Promise<Uint8Array> {
  const first = await ask(0);
  const all = new Uint8Array(first.sizeBytes);
  all.set(first.bytes);
  for (let at = first.bytes.length, partIdx = 1; at < all.length; partIdx++) {
    const { sizeBytes, bytes } = await ask(partIdx);
    if (sizeBytes !== all.length) throw new Error('The picture changed meanwhile. Copy it again.');
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}
