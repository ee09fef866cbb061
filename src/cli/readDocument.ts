/**
 * Reads a file as VS Code opens it, so that the command line and the panel see the same characters at the same offsets:
 * byte order marks are stripped, UTF-16 is recognized, mixed line ends are made equal. Never replaces what it cannot decode.
 */

import { constants } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Failure } from '../shared/tools/failure';
import { oneLine } from './terminal';

export interface DocumentText {
  readonly text: string;
  /** As TextDecoder names it. */
  readonly encoding: string;
  /** What all line ends were replaced by; null where the file has one kind, or none. */
  readonly lineEndsReplacedBy: '\n' | '\r\n' | null;
}

/** Bytes of a file at most: the longest text that Node can hold has this many characters. */
const maxBytes = constants.MAX_STRING_LENGTH;

/**
 * @param encoding a name that TextDecoder knows; absent: by the byte order mark, else UTF-8.
 * @throws Failure if the file cannot be read, is empty or binary, or has bytes that are not of the encoding.
 */
export function readDocument(file: string, encoding?: string): DocumentText {
  const document = decodeDocument(readBytes(file), file, encoding);
  const nLone = document.text.match(/\p{Cs}/gu)?.length ?? 0;
  if (nLone > 0) note(`${file} has ${nLone} unpaired surrogates, which the model reads as U+FFFD.`);
  if (document.lineEndsReplacedBy !== null) {
    const name = document.lineEndsReplacedBy === '\n' ? 'LF' : 'CRLF';
    note(`${file} has mixed or lone CR line ends, which are read as ${name}, as VS Code opens it.`);
  }
  return document;
}

/** @param name of the file, for messages. @throws as `readDocument`. */
export function decodeDocument(bytes: Uint8Array, name: string, encoding?: string): DocumentText {
  if (bytes.length === 0)
    throw new Failure('empty', `Cannot inspect ${name}: the file is empty. Write something first.`);
  const mark = byteOrderMarkOf(bytes);
  const chosen = encoding === undefined ? (mark?.encoding ?? guessedUtf16(bytes) ?? 'utf-8') : known(encoding);
  if (mark && mark.encoding !== chosen) {
    const why = `it begins with the byte order mark of ${mark.encoding}, --encoding says ${chosen}`;
    throw new Failure('bad-encoding', `Cannot read ${name}: ${why}. Leave --encoding out.`);
  }
  const body = bytes.subarray(mark?.length ?? 0);
  if (chosen === 'utf-8' && encoding === undefined && body.includes(0)) throw binary(name);
  const decoded = decode(body, chosen, bytes.length - body.length, name);
  // VS Code strips a mark when it decodes, and another one when it makes a document of the text.
  const text = decoded.startsWith('\ufeff') ? decoded.slice(1) : decoded;
  if (text === '') throw new Failure('empty', `Cannot inspect ${name}: it holds a byte order mark and nothing else.`);
  if (text.includes('\0')) throw binary(name);
  const lineEnd = lineEndOf(text);
  const isChanged = text.includes('\r') && (lineEnd === '\n' || /(?<!\r)\n|\r(?!\n)/.test(text));
  return {
    text: isChanged ? text.replace(/\r\n|\r|\n/g, lineEnd!) : text,
    encoding: chosen,
    lineEndsReplacedBy: isChanged ? lineEnd : null,
  };
}

/** @returns the name as TextDecoder writes it. @throws Failure for a name it does not know */
export function known(encoding: string): string {
  try {
    return new TextDecoder(encoding).encoding;
  } catch {
    throw new Failure(
      'bad-usage',
      `--encoding is "${encoding}", expected a name of the WHATWG Encoding Standard, such as utf-8, utf-16le, windows-1252, ` +
        'iso-8859-2, shift_jis or gb18030.',
    );
  }
}

/** All bytes of a file or pipe, of which no more than `most` are read. @throws Failure */
export function readBytes(file: string, most = maxBytes): Uint8Array {
  const fail = (why: string) => new Failure('no-file', `Cannot read ${file}: ${why}.`);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const stats = fstatSync(descriptor);
    if (stats.isDirectory()) throw fail('it is a folder. Name a text file');
    if (stats.size > most) throw tooLarge(file, stats.size, most);
    const parts: Uint8Array[] = [];
    for (let total = 0; ; ) {
      // A pipe has no size; one byte more than expected shows that a file has ended.
      const part = new Uint8Array(Math.max(1 << 16, stats.size - total + 1));
      const n = readSync(descriptor, part);
      if (n === 0) return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      parts.push(part.subarray(0, n));
      total += n;
      if (total > most) throw tooLarge(file, total, most);
    }
  } catch (error) {
    throw error instanceof Failure ? error : fail(reasonOf(error, file));
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Why a file cannot be read, and what to do. */
export function reasonOf(error: unknown, file: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' && file === '-') return 'standard input is not read. Write the text to a file, and name it';
  if (code === 'ENOENT') return 'there is no such file. Name a text file';
  if (code === 'ENOTDIR') return 'a part of the path is not a folder. Name a text file';
  if (code === 'EACCES' || code === 'EPERM') return 'you may not read it. Change its permissions, or name another one';
  if (code === 'EISDIR') return 'it is a folder. Name a file';
  return message;
}

function tooLarge(file: string, nBytes: number, mostBytes: number): Failure {
  const [size, most] = [nBytes, mostBytes].map(n => Math.round(n / (1 << 20)));
  return new Failure(
    'too-large',
    `Cannot read ${file}: it has ${size} MB or more, at most ${most} MB can be read. Cut out the part of interest.`,
  );
}

function byteOrderMarkOf(bytes: Uint8Array): { readonly encoding: string; readonly length: number } | null {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf) return { encoding: 'utf-8', length: 3 };
  if (first === 0xff && second === 0xfe) return { encoding: 'utf-16le', length: 2 };
  if (first === 0xfe && second === 0xff) return { encoding: 'utf-16be', length: 2 };
  return null;
}

/** UTF-16 without a mark, recognized as VS Code does: every second one of the first 512 bytes is 0, and no other. */
function guessedUtf16(bytes: Uint8Array): string | null {
  const head = bytes.subarray(0, 512);
  if (!head.includes(0)) return null;
  const zerosAt = (parity: number) => head.every((byte, i) => (byte === 0) === (i % 2 === parity));
  if (zerosAt(1)) return 'utf-16le';
  return zerosAt(0) ? 'utf-16be' : null;
}

/** @param markLength bytes before `bytes` in the file. */
function decode(bytes: Uint8Array, encoding: string, markLength: number, name: string): string {
  if (encoding === 'utf-16le' || encoding === 'utf-16be') {
    const text = decodeUtf16(bytes, encoding);
    if (bytes.length % 2 === 0) return text;
    throw notOf(encoding, name, markLength + bytes.length - 1, text, bytes.subarray(-1));
  }
  // Node 20 takes it for Latin-1.
  if (encoding === 'windows-1252') return decodeWindows1252(bytes);
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const good = decodablePrefix(bytes, encoding);
    const before = new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes.subarray(0, good));
    throw notOf(encoding, name, markLength + good, before, bytes.subarray(good));
  }
}

/** What windows-1252 has for the bytes 0x80 to 0x9F. */
const windows1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

function decodeWindows1252(bytes: Uint8Array): string {
  const latin1 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  return latin1.replace(/[\u0080-\u009f]/g, character => windows1252[character.charCodeAt(0) - 0x80]!);
}

/** Unpaired surrogates stay what they are, as in VS Code; TextDecoder replaces them. */
function decodeUtf16(bytes: Uint8Array, encoding: string): string {
  const even = Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2)));
  return (encoding === 'utf-16be' ? even.swap16() : even).toString('utf16le');
}

/** Bytes before the first sequence that cannot be decoded, found by bisection: a longer prefix is never better. */
function decodablePrefix(bytes: Uint8Array, encoding: string): number {
  const isGood = (length: number, stream: boolean) => {
    try {
      new TextDecoder(encoding, { fatal: true }).decode(bytes.subarray(0, length), { stream });
      return true;
    } catch {
      return false;
    }
  };
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isGood(middle, true)) good = middle;
    else bad = middle;
  }
  // The start of the sequence that broke off.
  while (good > 0 && !isGood(good, false)) good--;
  return good;
}

function notOf(encoding: string, name: string, offset: number, before: string, rest: Uint8Array): Failure {
  const line = (before.match(/\r\n|\r|\n/g)?.length ?? 0) + 1;
  const byte = rest[0] === undefined ? '' : ` (0x${rest[0].toString(16).toUpperCase().padStart(2, '0')})`;
  return new Failure(
    'bad-encoding',
    `Cannot read ${name}: byte ${offset}${byte} in line ${line} is not ${encoding}. Save the file as UTF-8, or name its ` +
      'encoding, for example --encoding windows-1252.',
  );
}

function binary(name: string): Failure {
  return new Failure('binary', `Cannot inspect ${name}: it contains NUL bytes and is not a text. Name a text file.`);
}

/** The line end that VS Code gives all lines of a document: CRLF where more than half have a CR, else LF. */
function lineEndOf(text: string): '\n' | '\r\n' | null {
  if (!text.includes('\r')) return text.includes('\n') ? '\n' : null;
  let [nLineEnds, nCr] = [0, 0];
  for (const [end] of text.matchAll(/\r\n|\r|\n/g)) {
    nLineEnds++;
    if (end !== '\n') nCr++;
  }
  return nCr > nLineEnds / 2 ? '\r\n' : '\n';
}

const noted = new Set<string>();

/** Once: some commands read their file for more than one purpose. */
function note(sentence: string): void {
  if (noted.has(sentence)) return;
  noted.add(sentence);
  process.stderr.write(`${oneLine(sentence)}\n`);
}
