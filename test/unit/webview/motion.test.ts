/** Reduced motion: nothing moves by itself but what shows that work goes on, and that stands still where it is asked to. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../fixtures/paths';

const files = readdirSync(join(root, 'webview'), { recursive: true, encoding: 'utf8' });
const textOf = (name: string) => readFileSync(join(root, 'webview', name), 'utf8');

/** What turns while work goes on, in ten steps a second. */
const ring = 'turn 1.2s steps(12) infinite';

test('no style moves anything but the ring', () => {
  const styles = files.filter(name => name.endsWith('.css'));
  assert.ok(styles.length > 10);
  for (const name of styles) {
    for (const [, property, value] of textOf(name).matchAll(
      /\b(transition|animation|scroll-behavior)[\w-]*:\s*([^;]+);/g,
    )) {
      assert.ok(/^(none|auto)$/.test(value!) || value === ring, `${name}: ${property}: ${value}`);
    }
    assert.deepEqual(
      textOf(name).match(/@keyframes \w+/g) ?? [],
      name === 'style.css' ? ['@keyframes turn'] : [],
      name,
    );
  }
});

test('no script moves anything', () => {
  for (const name of files.filter(file => file.endsWith('.ts'))) {
    assert.ok(!/behavior: 'smooth'|\.animate\(/.test(textOf(name)), name);
  }
});

test('the ring that says that work goes on is gone where motion is reduced', () => {
  const style = textOf('style.css');
  assert.match(style, /body\.vscode-reduce-motion \.progress-ring \{\s+display: none;/);
  assert.match(style, /@media \(prefers-reduced-motion: reduce\) \{\s+\.progress-ring \{\s+display: none;/);
  assert.equal([...style.matchAll(/animation:/g)].length, 1);
});
