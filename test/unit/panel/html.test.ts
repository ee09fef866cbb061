import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageHtml } from '../../../src/panel/html';

const page = {
  ...{ cspSource: 'https://webview', nonce: 'abc', script: 'w.js', styles: ['w.css'], title: 'T' },
  ...{ language: 'de', colorMap: 'brownTeal' as const, translations: undefined },
};

test('nothing may load but the bundle, nothing inline may run', () => {
  const html = pageHtml(page);
  assert.match(
    html,
    /default-src 'none'; script-src 'nonce-abc'; style-src https:\/\/webview; font-src https:\/\/webview/,
  );
  assert.match(html, /base-uri 'none'; form-action 'none'/);
  assert.doesNotMatch(html, /unsafe|\son\w+=|style="|<script(?![^>]*nonce)/);
});

test('the texts of the reader’s language are in the page, and no text ends them', () => {
  assert.match(pageHtml(page), /<html lang="en">/);
  assert.match(pageHtml(page), /<body data-color-map="brownTeal">/);
  const translations = { Layer: 'Schicht', 'a</script>b': 'c</script>d' };
  const html = pageHtml({ ...page, translations });
  assert.match(html, /<html lang="de">/);
  const [, data] = /id="l10n">(.*?)<\/script>/s.exec(html)!;
  assert.deepEqual(JSON.parse(data!), translations);
});
