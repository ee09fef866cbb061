/** What of a document goes to the model, and what people call the document. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { labelOf, lengthOf, sourceOf, type Target, textOf } from '../../../src/analysis/target';
import { textReach } from '../../../src/shared/tools/documentText';
import { editor } from '../../fixtures/vscode';

const of = (text: string, target: Partial<Target> = {}, maxTokens = 512) =>
  textOf({ document: editor.open(text).asDocument, range: null, anchor: 0, ...target }, 'a.md', maxTokens);
const maxTextLength = textReach(512);

test('a whole document, a part of it, and a question behind its end', () => {
  const rest = { windowStart: undefined, isPinned: false };
  assert.deepEqual(of('one two', { anchor: 3 }), {
    ...{ text: 'one two', textStart: 0, documentLength: 7, anchor: 3, ownLength: 7, ...rest },
  });
  assert.deepEqual(of('one two', { range: { start: 4, end: 7 }, anchor: 7 }), {
    ...{ text: 'two', textStart: 4, documentLength: 7, anchor: 7, ownLength: 7, ...rest },
  });
  assert.deepEqual(of('one', { question: 'why', anchor: 7 }), {
    ...{ text: 'one\nwhy', textStart: 0, documentLength: 7, anchor: 7, ownLength: 3, ...rest },
  });
  assert.deepEqual(of('one\n', { question: 'why', windowStart: 2, isPinned: true }), {
    ...{ text: 'one\nwhy', textStart: 0, documentLength: 7, anchor: 0, ownLength: 4, windowStart: 2, isPinned: true },
  });
});

test('of a large document what lies around the anchor is read, or what begins at the held place', () => {
  const line = `${'x'.repeat(99)}\n`;
  const text = line.repeat(3000);
  const around = of(text, { anchor: 250_000 });
  assert.ok(around.text.length <= maxTextLength && around.text.length > maxTextLength / 2);
  assert.equal(around.textStart % 100, 0);
  assert.ok(around.textStart <= 250_000 && 250_000 <= around.textStart + around.text.length);
  assert.equal(around.documentLength, text.length);
  const held = of(text, { anchor: 250_000, windowStart: 12_345 });
  assert.deepEqual([held.textStart, held.text.length], [12_345, maxTextLength]);
  assert.equal(
    of(text, { anchor: 5, range: { start: 100, end: 290_000 } }).textStart,
    100,
    'an anchor before the part',
  );
});

test('the text that is read follows the window that is asked for', () => {
  const line = `${'x'.repeat(99)}\n`; // a token, say
  const [text, maxTokens] = [line.repeat(5000), 3000];
  const around = of(text, { anchor: 450_000 }, maxTokens);
  assert.ok(450_000 - around.textStart > 0.75 * maxTokens * line.length);
  const held = of(text, { anchor: 350_000, windowStart: 100_000 }, maxTokens);
  assert.ok(held.textStart === 100_000 && held.text.length > maxTokens * line.length);
});

test('blank text and bytes that are not text are refused by name; a long blank stretch of a document is not', () => {
  assert.throws(() => of(' \n\t'), { code: 'empty', message: /a\.md/ });
  assert.throws(() => of('a \n b', { range: { start: 1, end: 4 } }), { code: 'empty', message: /selected/ });
  assert.throws(() => of('a\0'), { code: 'binary', message: /a\.md/ });
  assert.equal(of('', { question: 'why', anchor: 3 }).text, 'why');
  assert.ok(of(`${' '.repeat(maxTextLength * 2)}x`).text.length > 0);
});

test('a part of a document is read without joining all of it', () => {
  const document = editor.open('ab\ncd\n');
  assert.equal(lengthOf(document.asDocument), 6);
  const source = sourceOf(document.asDocument);
  const ranges: unknown[] = [];
  const { getText } = document;
  document.getText = range => {
    ranges.push(range && [document.offsetAt(range.start), document.offsetAt(range.end)]);
    return getText.call(document, range);
  };
  assert.deepEqual([source.slice(1, 4), source.slice(0, 6), source.slice(0, 2)], ['b\nc', 'ab\ncd\n', 'ab']);
  assert.deepEqual(ranges, [[1, 4], undefined, [0, 2]]);
});

test('a document is called by its path in the workspace, a cell by its notebook and number', () => {
  const [document, cell] = [editor.open('', 'docs/a.md'), editor.open('', 'cell')];
  const notebook = (name: string, documents: object[]) => ({
    uri: editor.open('', name).uri,
    getCells: () => documents.map((document, index) => ({ document, index })),
  });
  editor.notebooks = [notebook('x.ipynb', [{}]), notebook('n.ipynb', [{}, cell.asDocument])];
  assert.equal(labelOf(document.asDocument), 'docs/a.md');
  assert.equal(labelOf(cell.asDocument), 'n.ipynb, cell 2');
  editor.reset();
});
