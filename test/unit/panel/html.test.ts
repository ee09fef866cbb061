import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageHtml } from '../../../src/panel/html';

test('nothing may load but the bundle, nothing inline may run', () => {
  const html = pageHtml({ cspSource: 'https://webview', nonce: 'abc', script: 'w.js', styles: ['w.css'], title: 'T' });
  assert.match(
    html,
    /default-src 'none'; script-src 'nonce-abc'; style-src https:\/\/webview; font-src https:\/\/webview/,
  );
  assert.doesNotMatch(html, /unsafe|\son\w+=|style="|<script(?![^>]*nonce)/);
});
