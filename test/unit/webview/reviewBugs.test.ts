/** Faults that a reader found in the panel and that no other test would notice. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { offeredStages } from '../../../src/shared/attentionMap';
import { formatValue } from '../../../src/shared/labels';
import type { Stage } from '../../../src/shared/operators';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { nothingToSearch } from '../../../webview/documentSearchText';
import { allows } from '../../../webview/experimentKinds';
import { changeColumns } from '../../../webview/kernelGallery';
import { stagePairOf } from '../../../webview/stagePair';
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

test('a card’s name stays in one line, whatever the number of the layer; a card’s kind takes one line, so that no row grows', () => {
  for (const part of ['head-name', 'head-kind']) {
    assert.match(style('views/headsView.css'), new RegExp(`\\.${part} \\{[^}]*white-space: nowrap`), part);
  }
  assert.match(style('views/headsView.css'), /\.head-kind \{[^}]*min-height: 1\.3em/, 'also before it is measured');
  assert.doesNotMatch(style('views/headsView.css'), /aria-current='true'\][^{]*\{[^}]*border-width/);
});

test('a plain model: no parts to rank, no difference across the softmax, no stage "same as" another', () => {
  const layers = [{ stages: ['scores', 'pattern'], kernels: {} }];
  const panel = { model: { layers } } as unknown as PanelState;
  assert.equal(allows('ablation', panel), false);
  assert.deepEqual(offeredStages(layers as never), ['scores', 'pattern']);
  assert.equal(stagePairOf(['scores', 'pattern'], null), null);
  assert.equal(
    stagePairOf(['scores', 'pattern'], { stage: 'pattern', minus: 'scores' }),
    null,
    'chosen for another model',
  );
});

test('the first difference of stages is of one unit; the reader’s choice stays where the layer has it', () => {
  const post: Stage[] = ['scores', 'pattern', 'convolved_pattern', 'mixed_pattern'];
  assert.deepEqual(stagePairOf(post, null), { stage: 'convolved_pattern', minus: 'pattern' });
  const chosen = { stage: 'mixed_pattern', minus: 'scores' } as const;
  assert.deepEqual(stagePairOf(post, chosen), chosen);
  assert.deepEqual(stagePairOf(['scores', 'mixed_scores', 'pattern'], chosen), {
    stage: 'mixed_scores',
    minus: 'scores',
  });
});

test('a table of changes says which of its figures are scores and which weights', () => {
  assert.deepEqual(changeColumns('pre_softmax_conv').slice(1), ['Change of weight', 'Score before', 'Score after']);
  assert.deepEqual(changeColumns('post_softmax_head_mix').slice(1), [
    'Change of weight',
    'Weight before',
    'Weight after',
  ]);
});

test('what is wider than 300 px scrolls, and its scroll bar is not hidden', () => {
  const scrolls = (name: string, selector: string) =>
    assert.match(style(name), new RegExp(`${selector} \\{[^}]*overflow-x: auto`), selector);
  scrolls('style.css', '\\.details-table');
  scrolls('views/ablationView.css', '\\.kernel-scroller');
  const hidden = [...style('style.css').matchAll(/([^{}]+)\{[^}]*scrollbar-width: none/g)].map(([, name]) =>
    name!.trim(),
  );
  assert.deepEqual(
    hidden.filter(name => !/tab/.test(name)),
    [],
    'tabs have arrows in place of it',
  );
});

test('German: a row of a map is not called a line of the text; examples have the comma', () => {
  const german: Record<string, string> = JSON.parse(readFileSync(join(root, 'l10n', 'bundle.l10n.de.json'), 'utf8'));
  for (const [english, text] of Object.entries(german)) {
    if (/\brows?\b/i.test(english) && !/\blines?\b/i.test(english)) assert.doesNotMatch(text, /Zeile/, english);
    if (/\bnumber\. Type\b/.test(english)) assert.match(text, /0,25/);
  }
  assert.equal(german['0.5'], '0,5', 'the mark of every number');
});

test('without a selection the search says what to do, and nothing is "+0.00e0"', () => {
  assert.match(nothingToSearch(), /^Select a word/);
  assert.equal(formatValue(0), '0');
});
