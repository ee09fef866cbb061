/** Which text is in front: heard at once and with every change, but not the output of programs. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { LastEditor } from '../../../src/editor/lastEditor';
import { editor } from '../../fixtures/vscode';

test('a text that comes to the front is heard, the panel in front of it is not', async () => {
  editor.reset();
  const first = editor.open('a', 'a.md');
  editor.show(first);
  const heard: unknown[] = [];
  const last = new LastEditor(document => heard.push(document));
  assert.deepEqual(heard, [first.asDocument]);
  const second = editor.open('b', 'b.md');
  editor.show(second);
  assert.equal(heard.at(-1), second.asDocument);
  last.dispose();
  const count = heard.length;
  editor.show(first);
  assert.equal(heard.length, count);
});
