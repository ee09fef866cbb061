/** Who works with the keyboard goes on from the same place when what has the focus is drawn again. In a real browser. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPage } from './harness/page';

/** Runs in the page: a grid of 2 by 3 taps, and the table of the keys of a row of 4. */
const entry = `
import { createDetails } from './webview/components/details';
import { createTapGrid } from './webview/components/tapGrid';
import { bakeColors } from './src/shared/colorScale';
import { Places } from './webview/places';

const background = [30, 30, 30];
const theme = { colors: { table: bakeColors(background), background, masked: [45, 45, 45], edge: [130, 130, 130] } };
const labels = ['a', '\\nb', 'c', 'd'];
const tokens = { labels, offsets: Uint32Array.of(0, 1, 3, 4, 5) };
const app = document.getElementById('app');

const grid = createTapGrid();
globalThis.showTaps = (queryIdx, rows) => grid.show({
  taps: Array.from({ length: 3 * rows }, (_, i) => ({
    queryIdx: queryIdx + Math.floor(i / 3), keyIdx: i % 3, place: 'value', weight: i, value: queryIdx, term: i * queryIdx, isOwn: i === 4,
  })),
  ...{ columns: 3, places: new Places(tokens, 7), valueName: 'Score', mixWeight: 1, isDifference: false, theme },
});

const row = queryIdx => ({ queryIdx, values: Float32Array.from({ length: queryIdx + 1 }, (_, i) => 1 / (1 + i)) });
const details = createDetails({ selectToken: showRow }, false);
function showRow(queryIdx) {
  const map = { ref: { stage: 'pattern' } };
  details.update({ panel: { tokens, windowLines: { first: 7, last: 8, of: 9 } }, selection: { row: row(queryIdx), convolution: null }, map });
}
app.append(grid.element, details.element);
showTaps(1, 2);
showRow(3);
`;

let page: Page;
let close: () => Promise<void>;

before(async () => {
  ({ page, close } = await openPage(entry));
});
after(() => close?.());

const focused = () =>
  page.evaluate(() => {
    const { activeElement } = document;
    return activeElement instanceof HTMLTableCellElement ? activeElement.title : activeElement?.textContent;
  });

test('taps drawn anew: the focus stays at its place, and goes on from there', async () => {
  await page.locator('.tap[tabindex="0"]').focus();
  await page.keyboard.press('ArrowLeft');
  assert.match((await focused())!, /^query line 8 `c`, key line 7 `a`: /);
  await page.evaluate('showTaps(2, 2)');
  assert.match((await focused())!, /^query line 8 `d`, key line 7 `a`: /);
  await page.keyboard.press('ArrowUp');
  assert.match((await focused())!, /^query line 8 `c`, key line 7 `a`: /);
  assert.equal(await page.locator('.tap[tabindex="0"]').count(), 1);
});

test('the pointer marks a tap and says it; the keyboard goes on from where it was', async () => {
  await page.locator('.tap[title^="query line 8 `c`, key line 7 `b`"]').last().focus();
  await page.locator('.tap[title^="query line 8 `d`, key line 8 `c`"]').last().hover();
  assert.equal(await page.locator('.tap-focused[title^="query line 8 `d`, key line 8 `c`"]').count(), 3);
  assert.match((await page.locator('.tap-line').textContent())!, /^query line 8 `d`, key line 8 `c`: /);
  await page.keyboard.press('ArrowLeft');
  assert.match((await focused())!, /^query line 8 `c`, key line 7 `a`: /);
  assert.equal(await page.locator('.tap-focused[title^="query line 8 `c`, key line 7 `a`"]').count(), 3);
});

test('taps of another kernel: one of them has the focus; without it, the own pair is where the keyboard begins', async () => {
  await page.locator('.tap[tabindex="0"]').focus();
  await page.evaluate('showTaps(1, 1)');
  assert.match((await focused())!, /^query line 7 `b`, key line \d /);
  assert.equal(await page.locator('.tap[tabindex="0"]:focus').count(), 1);
  await page.evaluate('document.activeElement.blur(); showTaps(1, 2)');
  assert.match((await page.locator('.tap[tabindex="0"]').getAttribute('title'))!, /\(own pair\)/);
});

test('a token of the row’s keys that is pressed selects its row: the focus stays in the table', async () => {
  await page.locator('.details').getByRole('button', { name: 'b' }).press('Enter');
  assert.match((await page.locator('.details h2').textContent())!, /^line 7 `b` attends to/);
  assert.equal(await focused(), '⏎b');
});
