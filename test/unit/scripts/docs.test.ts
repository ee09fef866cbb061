import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { measures } from '../../../src/attention/headRanking';
import { stageNames } from '../../../src/shared/labels';
import { shapeNames } from '../../../webview/kernelGallery';
import { guideText as guide } from '../../fixtures/guide';
import { root } from '../../fixtures/paths';

// Tracked ones: what else lies in the folder is nobody's documentation.
const tracked = execFileSync('git', ['ls-files', '*.md', 'docs/*.md'], { cwd: root, encoding: 'utf8' })
  .trim()
  .split('\n');
const pages = tracked.filter(name => /^(docs\/([\w-]+\/)*)?[\w-]+\.md$/.test(name));

/** Where headings of a page can be reached, as GitHub and the site make them. */
function anchorsOf(page: string): Set<string> {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
  const slug = (heading: string) =>
    heading
      .replaceAll(/<[^>]+>|\]\([^)]*\)/g, '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
  const named = [...text.matchAll(/<a id="([\w-]+)"/g)].map(([, id]) => id!);
  return new Set([...named, ...[...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => slug(heading!))]);
}

for (const page of pages) {
  test(`${page}: what it links to is there`, () => {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:|command:)([^)#\s]*)(?:#([^)\s]+))?\)/g)];
    const missing = links.filter(([, file, anchor]) => {
      const target = file ? join(dirname(page), file) : page;
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor);
    });
    assert.deepEqual(
      missing.map(([link]) => link),
      [],
    );
  });
}

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

test('every measure of heads has a page with its unit, a picture and the commands that make it', () => {
  const folder = join(root, 'docs', 'guide', 'measures');
  const texts = readdirSync(folder).map(name => readFileSync(join(folder, name), 'utf8'));
  for (const { label } of measures) {
    const text = texts.find(page => page.toLowerCase().startsWith(`# ${label.toLowerCase()}\n`)) ?? '';
    assert.match(text, /^\| unit \| source \|$/m, label);
    assert.match(text, /^!\[[^\]]+\]\(\.\.\/\.\.\/pictures\/measures\/[\w-]+\.png\)$/m, label);
    assert.match(text, /^mta-inspect heads .* --by \w+\nmta-inspect export /m, label);
  }
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
  for (const title of titles) {
    const name = title.toLowerCase().replaceAll(' ', '-');
    const page = readFileSync(join(root, 'docs', 'guide', 'views', `${name}.md`), 'utf8');
    assert.ok(page.startsWith(`# ${title}\n`), title);
    if (!['Layer', 'Lens'].includes(title)) assert.match(page, /^!\[[^\]]+\]\([^)]+\.png\)$/m, title);
    assert.match(page, /^## Reproduce\n\n```\nmta-inspect /m, title);
  }
});
