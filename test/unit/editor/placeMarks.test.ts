/** A place of a map frames its two tokens in the document, until another token is selected or the text changes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { PlaceMarks } from '../../../src/editor/placeMarks';
import { openAnalysis } from '../../fixtures/analysis';
import { editor } from '../../fixtures/vscode';

test('both tokens are framed and shown; the frames go with another selection', async () => {
  const opened = openAnalysis();
  const { analysis } = opened;
  const document = editor.open('one two three\nfour');
  await opened.inspect(document);
  const shown = editor.show(document);
  const drawn: { line: number; character: number }[][][] = [];
  shown.setDecorations = (_, ranges) => void drawn.push(ranges.map(({ start, end }) => [start, end]));
  const marks = new PlaceMarks(analysis);
  analysis.selectToken(4);
  marks.show({ queryIdx: 4, keyIdx: 2 });
  const { offsets } = analysis.snapshot.tokens!;
  const ends = [4, 2].map(token => [offsets[token]!, offsets[token + 1]!]);
  const got = drawn.at(-1)!.map(range => range.map(position => document.offsetAt(position as never)));
  assert.deepEqual(got, ends);
  assert.equal(shown.revealed.length, 1);
  analysis.selectToken(4);
  assert.equal(drawn.length, 1, 'the same token');
  analysis.selectToken(1);
  assert.deepEqual(drawn.at(-1), []);
  marks.dispose();
});
