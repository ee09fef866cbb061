/** Faults that a reader found in the panel and that no other test would notice. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatValue } from '../../../src/shared/labels';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { nothingToSearch } from '../../../webview/documentSearchText';
import { keepsCell } from '../../../webview/state';
import { root } from '../../fixtures/paths';

const style = (name: string) => readFileSync(join(root, 'webview', name), 'utf8');

test('a word that is selected takes the place of the cell, unless the cell is in its row', () => {
  const panel = (selectedToken: number | null, analysisId = 1, trainedId: number | null = 1) =>
    ({ selectedToken, analysisId, ablation: { trainedId } }) as PanelState;
  const cell = { queryIdx: 7, keyIdx: 3 };
  assert.equal(keepsCell(panel(4), panel(9), cell), false);
  assert.equal(keepsCell(panel(4), panel(7), cell), true);
  assert.equal(keepsCell(panel(4), panel(4), cell), true);
  assert.equal(keepsCell(panel(4), panel(4, 2, null), cell), false, 'another run');
  assert.equal(keepsCell(panel(4), panel(4, 2, 1), cell), true, 'an ablated run is of the same tokens');
});

test('the lens has numbers where its own cells have room for them, not by the width of the panel', () => {
  assert.match(
    style('views/lensView.css'),
    /\.taps \{\s+container: taps[\s\S]+@container taps \(min-width: \d+px\) \{\s+\.tap span/,
  );
});

test('a card’s name stays in one line, whatever the number of the layer', () => {
  assert.match(style('views/headsView.css'), /white-space: nowrap/);
});

test('without a selection the search says what to do, and nothing is "+0.00e0"', () => {
  assert.match(nothingToSearch(), /^Select a word/);
  assert.equal(formatValue(0), '0');
});
