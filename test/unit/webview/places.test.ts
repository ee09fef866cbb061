import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Places, placesIn } from '../../../webview/places';

const labels = ['<begin>', 'const', ' byte', 'Width', ' = ', '1', ';\n', 'Width'];
const tokens = { labels, offsets: Uint32Array.of(0, 0, 5, 10, 15, 18, 19, 21, 26) };

test('places are named by line and text; the begin token is in no line', () => {
  const places = new Places(tokens, 33);
  assert.equal(places.nameOf(3), 'line 33 `Width`');
  assert.equal(places.nameOf(7), 'line 34 `Width`');
  assert.equal(places.lineOf(0), null);
  assert.equal(places.textOf({ first: 2, end: 4 }), 'byteWidth');
  const dotted = new Places({ labels: ['a', '.name', ' ='], offsets: Uint32Array.of(0, 1, 6, 8) }, 1);
  assert.equal(dotted.wordOf({ first: 1, end: 2 }), 'name');
  assert.equal(dotted.wordOf({ first: 2, end: 3 }), '=');
});

test('ranges and cells are named without indices', () => {
  const places = new Places(tokens, 33);
  assert.equal(places.nameOfRange({ first: 2, end: 4 }), 'line 33 `byteWidth`');
  assert.equal(places.nameOfRange({ first: 1, end: 4 }), 'line 33 `const byteWidth`');
  assert.equal(places.nameOfRange({ first: 3, end: 8 }), 'lines 33 to 34');
  assert.equal(places.nameOfCell({ queryIdx: 7, keyIdx: 0 }), 'query line 34 `Width`, key before the text');
});

test('a line leads to its first token, or to the next line that has one', () => {
  const places = new Places({ labels: ['a', '\n\n', 'b'], offsets: Uint32Array.of(0, 1, 3, 4) }, 5);
  assert.deepEqual(
    [0, 5, 6, 7, 8].map(line => places.firstOfLine(line)),
    [0, 0, 2, 2, null],
  );
});

test('places are made once, and anew where the range is known to begin in another line', () => {
  const run = { ...tokens, surprisalBits: null };
  const windowLines = { first: 33, last: 34, of: 40 };
  const first = placesIn({ windowLines: null }, run);
  assert.equal(first.nameOf(3), 'line 1 `Width`');
  const placed = placesIn({ windowLines }, run);
  assert.equal(placed.nameOf(3), 'line 33 `Width`');
  assert.equal(placesIn({ windowLines }, run), placed);
});
