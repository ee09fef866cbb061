/** Reduced motion: nothing moves by itself but what shows that work goes on, and that stands still where it is asked to. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../fixtures/paths';

const files = readdirSync(join(root, 'webview'), { recursive: true, encoding: 'utf8' });
const textOf = (name: string) => readFileSync(join(root, 'webview', name), 'utf8');

test('no style moves anything', () => {
  const styles = files.filter(name => name.endsWith('.css'));
  assert.ok(styles.length > 10);
  for (const name of styles) {
    for (const [, property, value] of textOf(name).matchAll(
      /\b(transition|animation|scroll-behavior)[\w-]*:\s*([^;]+);/g,
    )) {
      assert.ok(/^(none|auto)$/.test(value!), `${name}: ${property}: ${value}`);
    }
    assert.ok(!textOf(name).includes('@keyframes'), name);
  }
});

test('no script moves anything', () => {
  for (const name of files.filter(file => file.endsWith('.ts'))) {
    assert.ok(!/behavior: 'smooth'|\.animate\(/.test(textOf(name)), name);
  }
});

test('the ring that says that work goes on stands still where motion is reduced', () => {
  const [, rules = ''] =
    /@media \(prefers-reduced-motion: reduce\) \{([\s\S]*?)\n\}/.exec(textOf('components/shell.css')) ?? [];
  assert.match(rules, /vscode-progress-ring::part\(indeterminate-indicator-1\) \{\s+animation: none;/);
});
