import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { measures } from '../../../src/attention/headRanking';
import { stageNames } from '../../../src/shared/labels';
import { shapeNames } from '../../../webview/kernelGallery';
import { root } from '../../fixtures/paths';

// Tracked ones: what else lies in the folder is nobody's documentation.
const tracked = execFileSync('git', ['ls-files', '*.md', 'docs/*.md'], { cwd: root, encoding: 'utf8' })
  .trim()
  .split('\n');
const pages = tracked.filter(name => /^(docs\/)?[\w-]+\.md$/.test(name));

for (const page of pages) {
  test(`${page}: what it links to is there`, () => {
    const text = readFileSync(join(root, page), 'utf8');
    const targets = [...text.matchAll(/\]\((?!https?:|#|command:)([^)#\s]+)/g)].map(([, target]) => target!);
    const missing = targets.filter(target => !existsSync(join(root, dirname(page), target)));
    assert.deepEqual(missing, []);
  });
}

const guide = readFileSync(join(root, 'docs', 'guide.md'), 'utf8');

test('the guide explains every stage, measure and kind of kernel by its name on screen', () => {
  const kinds = Object.values(shapeNames).filter(name => name !== 'not a number');
  const names = [
    ...Object.values(stageNames).map(({ label }) => label),
    ...measures.map(({ label }) => label),
    ...kinds,
  ];
  const missing = names.filter(name => !guide.toLowerCase().includes(`| ${name.toLowerCase()} |`));
  assert.deepEqual(missing, []);
});

test('the guide explains every view by the name of its tab', () => {
  const folder = join(root, 'webview', 'views');
  const titles = readdirSync(folder).flatMap(name => {
    if (!name.endsWith('View.ts')) return [];
    const [, title] = /^ {2}title: t\('(.+)'\),$/m.exec(readFileSync(join(folder, name), 'utf8')) ?? [];
    return [title ?? name];
  });
  assert.ok(titles.length >= 12);
  const missing = titles.filter(title => !guide.includes(`\n- **${title}**`));
  assert.deepEqual(missing, []);
});
