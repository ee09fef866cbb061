/**
 * A file has the same text on the command line as in VS Code. Texts of VS Code: hashes in test/fixtures/openedTexts.json,
 * made by the text model of monaco-editor 0.52.2 (PieceTreeTextBufferBuilder, line ends normalized) behind iconv-lite 0.6.3.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeDocument, readDocument } from '../../../src/cli/readDocument';
import { oddFiles } from '../../fixtures/oddFiles';
import { root } from '../../fixtures/paths';

const scratch = mkdtempSync(join(tmpdir(), 'mta-read-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

test('300 odd files have the text that VS Code has, or are refused', () => {
  const opened: readonly string[] = JSON.parse(
    readFileSync(join(root, 'test', 'fixtures', 'openedTexts.json'), 'utf8'),
  );
  const files = oddFiles(opened.length);
  assert.equal(files.length, 300);
  for (const [i, { bytes, text }] of files.entries()) {
    // VS Code makes two line ends of a file that is one CR; such a file is blank, so nobody inspects it.
    if (text?.replace(/^\ufeff/, '') === '\r') continue;
    if (text === null || text.replace(/^\ufeff/, '') === '' || text.includes('\0')) {
      assert.throws(() => decodeDocument(bytes, 'f'), { code: /^(empty|binary|bad-encoding)$/ }, `file ${i}`);
    } else {
      const read = decodeDocument(bytes, 'f').text;
      const hash = createHash('sha256').update(Buffer.from(read, 'utf16le')).digest('hex').slice(0, 16);
      assert.equal(hash, opened[i], `file ${i}: ${JSON.stringify(read.slice(0, 80))}`);
    }
  }
});

const ascii = (text: string) => Buffer.from(text, 'latin1');
const read: [what: string, bytes: Uint8Array, encoding: string | undefined, text: string][] = [
  ['a byte order mark', Buffer.from('\ufeffa'), undefined, 'a'],
  ['two of them', Buffer.from('\ufeff\ufeffa'), undefined, 'a'],
  ['a leading line end', ascii('\n\nx'), undefined, '\n\nx'],
  ['CRLF', ascii('a\r\nb\r\n'), undefined, 'a\r\nb\r\n'],
  ['mixed line ends, most of them LF', ascii('a\nb\nc\r\n\rd'), undefined, 'a\nb\nc\n\nd'],
  ['mixed line ends, most of them with CR', ascii('a\r\nb\rc\nd'), undefined, 'a\r\nb\r\nc\r\nd'],
  ['UTF-16 LE with its mark', Buffer.from('\ufeffab\ud800', 'utf16le'), undefined, 'ab\ud800'],
  ['UTF-16 BE with its mark', Buffer.from('\ufeffäb', 'utf16le').swap16(), undefined, 'äb'],
  ['UTF-16 LE without one', Buffer.from('ab', 'utf16le'), undefined, 'ab'],
  ['UTF-16 BE without one', Buffer.from('ab', 'utf16le').swap16(), undefined, 'ab'],
  ['a named encoding', ascii('\xe9t\xe9 \x80'), 'windows-1252', 'été €'],
  ['a replacement character of its own', Buffer.from('a\ufffdb'), undefined, 'a\ufffdb'],
];
for (const [what, bytes, encoding, text] of read) {
  test(`reads ${what}`, () => assert.equal(decodeDocument(bytes, 'f', encoding).text, text));
}

const refused: [what: string, bytes: Uint8Array, encoding: string | undefined, message: RegExp][] = [
  [
    'Latin-1',
    ascii('abc\n \xe9t\xe9'),
    undefined,
    /f: byte 5 \(0xE9\) in line 2 is not utf-8\. Save .* --encoding windows-1252/,
  ],
  ['a sequence that is cut', ascii('a\n\xe2\x82'), undefined, /byte 2 \(0xE2\) in line 2 is not utf-8/],
  ['Latin-1 behind a mark', ascii('\xef\xbb\xbfa\xe9 '), undefined, /byte 4 \(0xE9\) in line 1 is not utf-8/],
  ['half a unit of UTF-16', ascii('\xff\xfea\0b'), undefined, /byte 4 \(0x62\) in line 1 is not utf-16le/],
  ['a mark of another encoding', Buffer.from('\ufeffa'), 'latin1', /mark of utf-8, --encoding says windows-1252/],
  [
    'bytes that are not of the named encoding',
    ascii('ab\xff\xff'),
    'shift_jis',
    /byte 2 \(0xFF\) in line 1 is not shift_jis/,
  ],
  ['an unknown encoding', ascii('a'), 'utf-99', /--encoding is "utf-99", expected a name/],
  ['nothing', ascii(''), undefined, /f: the file is empty/],
  ['a mark alone', Buffer.from('\ufeff'), undefined, /byte order mark and nothing else/],
  ['NUL', ascii('abc\0def'), undefined, /contains NUL bytes and is not a text/],
  ['NUL in UTF-16', Buffer.from('\ufeffa\0é', 'utf16le'), undefined, /contains NUL bytes/],
];
for (const [what, bytes, encoding, message] of refused) {
  test(`refuses ${what}`, () => assert.throws(() => decodeDocument(bytes, 'f', encoding), message));
}

test('refuses a folder, a file that is not there, and one above 512 MB before it reads it', () => {
  assert.throws(() => readDocument(scratch), /it is a folder/);
  assert.throws(
    () => readDocument(join(scratch, 'none')),
    /Cannot read .*none: there is no such file\. Name a text file\.$/,
  );
  assert.throws(() => readDocument('-'), /Cannot read -: standard input is not read\. Write the text to a file/);
  const large = join(scratch, 'large');
  writeFileSync(large, '');
  truncateSync(large, 600 << 20);
  const start = performance.now();
  assert.throws(() => readDocument(large), /it has 600 MB or more, at most 512 MB can be read/);
  assert.ok(performance.now() - start < 1000);
});
