import assert from 'node:assert/strict';
import { test } from 'node:test';
import { config } from '@vscode/l10n';
import german from '../../../l10n/bundle.l10n.de.json' with { type: 'json' };
import { languages, textsOfCode, wrongTexts } from '../../../scripts/l10n.mjs';
import { untranslated, untranslatedPanelTexts } from '../../../scripts/panelTexts.mjs';
import { describeAblation } from '../../../src/shared/ablation';
import { formatBits } from '../../../src/shared/labels';
import { describeCellValue } from '../../../webview/labels';

for (const language of languages()) {
  test(`every text has its translation (${language}), with the same places and links, and none is left over`, () => {
    assert.deepEqual(wrongTexts(language), []);
  });
}

test('there is a translation', () => {
  assert.ok(languages().length > 0);
});

test('in German the rows of a map are not called as the lines of a text', () => {
  for (const [text, translation] of Object.entries(german)) {
    if (/\brows?\b/i.test(text) && !/\blines?\b/i.test(text)) assert.doesNotMatch(translation, /zeile/i, text);
  }
});

test('no text of the panel bypasses its translation', () => {
  assert.deepEqual(untranslatedPanelTexts(), []);
});

for (const [source, texts] of [
  ["h('p', { class: 'a b' }, 'masked');", ['masked']],
  ["h('p', {}, t('masked'));", []],
  ["h('p', { 'aria-label': 'map', role: 'img' }, String(x));", ['map']],
  ['element.textContent = isOpen ? `\x24{n} rows` : t("none");', ['{} rows']],
  ["const note = 'Pick a cell.'; element.dataset.kind = 'tiles';", ['Pick a cell.']],
  ["element.setAttribute('aria-sort', 'ascending'); element.setAttribute('title', 'zoom');", ['zoom']],
  ["if (key === 'Enter now') throw new RangeError('there is no row');", []],
  ["t('Head {0}', isOwn ? 'own' : '');", ['own']],
] as const) {
  test(`what counts as a text: ${source}`, () => assert.deepEqual(untranslated(source), texts));
}

test('both ends’ texts are looked for, those of the panel among them', () => {
  const texts = textsOfCode();
  for (const text of ['Show Log', 'Zoom in', 'all of MTA', 'Finds context']) assert.ok(texts.includes(text), text);
});

test('texts are shown in the language that was handed over', () => {
  config({ contents: german });
  try {
    assert.deepEqual([5e-5, -0.002].map(formatBits), ['unter 0,0001', '−0,0020']);
    assert.equal(describeCellValue({ kind: 'pooled', value: 0.5, blockSize: 4 }), 'stärkste von 4×4 Zellen: +0,5000');
    const edit = { part: null, layerIdx: 1, headIdx: null, weights: null };
    assert.equal(describeAblation({ scope: 'layer', edits: [edit] }), 'Schicht 1 alle Teile aus (nur diese Schicht)');
  } finally {
    config({ contents: {} });
  }
});
