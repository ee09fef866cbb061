/** docs/formats.md lists what other programs may rely on: all of it, and nothing that is not there. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands, contextKeys } from '../../../src/contributionIds';
import { kernelParts } from '../../../src/shared/kernels';
import { stages } from '../../../src/shared/operators';
import { root } from '../../fixtures/paths';

const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const page = read('docs', 'formats.md');
const section = (title: string) => page.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!;
const firstColumn = (text: string) => [...text.matchAll(/^\| `([\w.-]+)` \|/gm)].map(([, name]) => name!);
const sorted = (items: Iterable<string>) => [...new Set(items)].sort();

/** Sources of the product, for looking at how they are written. */
function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.ts$/.test(entry.name)) yield path;
  }
}

test('every error code of the sources is listed, and none else', () => {
  const codes: string[] = ['internal'];
  const others: string[] = [];
  for (const path of [...sources('src'), ...sources('webview')]) {
    const text = read(path);
    for (const [, literal, expression] of text.matchAll(/new (?:Remote)?Failure\(\s*(?:'([^']+)'|([^,\s]+))/g)) {
      if (literal) codes.push(literal);
      else others.push(`${path}: ${expression}`);
    }
    for (const [, literal] of text.matchAll(/extends Failure \{[^}]*?super\('([^']+)'/g)) codes.push(literal!);
  }
  assert.deepEqual(sorted(firstColumn(section('Error codes'))), sorted(codes));
  // Elsewhere a code is passed on, so that the list above has all of them.
  assert.deepEqual(
    others.filter(place => !/: \w+(\.\w+)*\.code$/.test(place)),
    [],
  );
});

test('every command is listed with its title', () => {
  const titles = JSON.parse(read('package.nls.json')) as Record<string, string>;
  const rows = [...section('Commands').matchAll(/^\| `(mtaInspector\.(\w+))` \| (.+) \|$/gm)];
  const listed = rows.filter(([, , name, title]) => titles[`command.${name}`] === title).map(([, id]) => id!);
  assert.deepEqual(sorted(listed), sorted(Object.values(commands)));
});

test('context keys, stages and parts are listed', () => {
  assert.deepEqual(sorted(firstColumn(section('Context keys'))), sorted(Object.values(contextKeys)));
  const links = section('Links to a view');
  for (const name of [...stages, ...kernelParts]) assert.ok(links.includes(`\`${name}\``), name);
});

test('each JSON format is listed with the schema that names it', () => {
  const rows = [...section('JSON of the command line').matchAll(/`(mta-[\w-]+)` \| \[[\w-]+\]\(\.\.\/([\w./-]+)\)/g)];
  for (const [, format, file] of rows) assert.ok(read(file!).includes(`"${format}"`), `${format} in ${file}`);
  const named = readdirSync(join(root, 'src/cli/schemas')).flatMap(
    file => /"(mta-[a-z-]+-\d+)"/.exec(read('src/cli/schemas', file))?.[1] ?? [],
  );
  assert.deepEqual(sorted(rows.map(([, format]) => format!)), sorted(named));
});
