/** What the documentation says of commands, settings, families and limits is what the product has. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formerSettings } from '../../../src/contributionIds';
import { families } from '../../../src/graph/huggingFaceFamilies';
import { root } from '../../fixtures/paths';

const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const manifest = JSON.parse(read('package.json'));
const titles = JSON.parse(read('package.nls.json')) as Record<string, string>;
// A `*` of git's paths takes in folders.
const pages = execFileSync(
  'git',
  ['ls-files', 'README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'docs/*.md', 'models/*.md'],
  {
    ...{ cwd: root, encoding: 'utf8' },
  },
)
  .trim()
  .split('\n');
const prose = (page: string) => read(page).replaceAll(/\s+/g, ' ');
const commandTitles = new Set(
  manifest.contributes.commands.map(({ title }: { title: string }) => titles[title.slice(1, -1)]),
);

test('commands that the documentation names by their category exist under that title', () => {
  for (const page of pages) {
    for (const [, title] of prose(page).matchAll(/\*MTA Inspector: ([^*]+)\*/g)) {
      // Cards name commands without the "…", which is not part of their name in a sentence.
      assert.ok(commandTitles.has(title) || commandTitles.has(`${title}…`), `${page}: ${title}`);
    }
  }
});

test('what ends in "…" and begins like a command is a command, a button or a heading of the product', () => {
  const texts = new Set([...commandTitles, ...Object.keys(JSON.parse(read('l10n', 'bundle.l10n.de.json')))]);
  for (const page of pages) {
    for (const [, title] of prose(page).matchAll(/(?<!\*)\*(?:MTA Inspector: )?([A-Z][^*:]{3,60}…)\*(?!\*)/g)) {
      assert.ok(texts.has(title), `${page}: ${title}`);
    }
  }
});

test('views that the documentation sends readers to are on that page of the panel', () => {
  const registry = read('webview', 'views', 'registry.ts');
  const titleOf = (name: string) => /^ {2}title: t\('(.+)'\),$/m.exec(read('webview', 'views', `${name}.ts`))?.[1];
  const viewsOf = (page: string) =>
    registry
      .split(/\{ id: '(?=\w+', title:)/)
      .find(part => part.startsWith(`${page.toLowerCase()}'`))!
      .match(/\b[a-z]\w*View\b/g)!
      .filter(name => registry.includes(`from './${name}'`))
      .map(titleOf);
  let nPlaces = 0;
  for (const page of pages) {
    for (const [, of, view] of prose(page).matchAll(/[Pp]age \*(Token|Heads|Experiment)\*, (?:tab )?\*([^*]+)\*/g)) {
      assert.ok(viewsOf(of!).includes(view!), `${page}: page ${of}, ${view}`);
      nPlaces++;
    }
  }
  assert.ok(nPlaces >= 5, String(nPlaces));
});

test('the page of settings lists all of them with their defaults and values', () => {
  const page = read('docs', 'settings.md');
  const groups = manifest.contributes.configuration as { title: string; properties: Record<string, Setting> }[];
  const expected = groups.flatMap(({ properties }) =>
    Object.entries(properties).flatMap(
      ([id, { default: value, enum: choices, minimum, maximum, deprecationMessage }]) => {
        if (deprecationMessage) return [];
        const range = choices ? choices.map(choice => `\`${choice}\``).join(', ') : `${minimum} to ${maximum}`;
        const values =
          typeof value === 'boolean' ? '`true`, `false`' : choices || minimum !== undefined ? range : 'text';
        return [`| \`${id}\` | ${value === '' ? 'empty' : `\`${value}\``} | ${values} |`];
      },
    ),
  );
  for (const row of expected) assert.ok(page.includes(row), row);
  const renamed = Object.entries(formerSettings).map(([id, former]) => `| \`${former}\` | \`${id}\` |`);
  for (const row of renamed) assert.ok(page.includes(row), row);
  assert.equal(page.match(/^\| `mtaInspector\./gm)?.length, expected.length + renamed.length);
});

interface Setting {
  readonly deprecationMessage?: string;
  readonly default: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

test('settings that the documentation names exist', () => {
  const ids = new Set(
    manifest.contributes.configuration.flatMap(({ properties }: { properties: object }) => Object.keys(properties)),
  );
  const others = /^mtaInspector\.(models|attention|map|surprisal|selectedToken|window\.border|\w+$)/;
  for (const page of pages) {
    for (const [, id] of read(page).matchAll(/`"?(mtaInspector\.[\w.]+)/g)) {
      assert.ok(ids.has(id) || others.test(id!), `${page}: ${id}`);
    }
  }
});

test('the families of the guide are those of the code, and the README has their number', () => {
  const all = pages.map(page => read(page)).join('\n');
  for (const type of Object.keys(families)) assert.ok(all.includes(`| \`${type}\` |`), type);
  const [, number] = /of (\d+) families/.exec(prose('README.md')) ?? [];
  const table = read('docs', 'guide', 'families.md').split('\n| family | `model_type` |')[1]!.split('\n\n')[0]!;
  assert.equal(table.match(/^\| [^|]+ \| `\w+`/gm)?.length, Number(number));
});

test('Python programs and npm scripts that pages name exist, and so do their options', () => {
  let nPrograms = 0;
  for (const page of pages) {
    const text = read(page).replaceAll('\\\n', ' ');
    for (const [, name] of text.matchAll(/npm run (?:--silent )?([\w:]+)/g)) {
      assert.ok(Object.hasOwn(manifest.scripts, name!), `${page}: npm run ${name}`);
    }
    for (const [, packageName, module, options] of text.matchAll(/python3 -m (export|training)\.(\w+)([^`\n]*)/g)) {
      const source = read('models', packageName!, `${module}.py`);
      for (const option of options!.replace(/\s{2,}\(.*/, '').match(/(?<=\s)--[\w-]+/g) ?? []) {
        assert.ok(source.includes(`"${option}"`), `${page}: ${module} ${option}`);
      }
      nPrograms++;
    }
  }
  assert.ok(nPrograms > 20, String(nPrograms));
});
