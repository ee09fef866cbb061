import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { measures } from '../../../src/attention/headRanking';
import { stageLabels } from '../../../src/shared/labels';
import { root } from '../../fixtures/paths';

const pages = [
  ...readdirSync(root).filter(name => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs')).flatMap(name => (name.endsWith('.md') ? [`docs/${name}`] : [])),
];

for (const page of pages) {
  test(`${page}: what it links to is there`, () => {
    const text = readFileSync(join(root, page), 'utf8');
    const targets = [...text.matchAll(/\]\((?!https?:|#|command:)([^)#\s]+)/g)].map(([, target]) => target!);
    const missing = targets.filter(target => !existsSync(join(root, dirname(page), target)));
    assert.deepEqual(missing, []);
  });
}

test('the guide explains every stage and every measure by its name on screen', () => {
  const guide = readFileSync(join(root, 'docs', 'guide.md'), 'utf8').toLowerCase();
  const names = [...Object.values(stageLabels), ...measures.map(({ label }) => label)];
  const missing = names.filter(name => !guide.includes(`| ${name.toLowerCase()} |`));
  assert.deepEqual(missing, []);
});
