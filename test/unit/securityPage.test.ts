/** SECURITY.md says of each thing which test holds it, and names files that are there. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../fixtures/paths';

for (const page of ['SECURITY.md', join('docs', 'attacks.md')]) {
  const text = readFileSync(join(root, page), 'utf8');

  test(`${page}: every file that it names is there`, () => {
    const named = [...text.matchAll(/`((?:src|test|webview|scripts|models)\/[\w/.-]+)`/g)].map(([, path]) => path!);
    assert.ok(named.length > 20);
    assert.deepEqual(
      named.filter(path => !existsSync(join(root, path))),
      [],
    );
  });

  test(`${page}: every row of its tables of claims names a test`, () => {
    const tables = text.split(/\n{2,}/).filter(part => /^\|.*\b(enforced|tested) by \||^\|.*\| Tests \|/i.test(part));
    const rows = tables.flatMap(table => table.trim().split('\n').slice(2));
    assert.ok(rows.length > 20);
    // A cell may point to the row above.
    const isHeld = (row: string) => /`(test|models\/tests)\/[^`]+`|\| the same \|/.test(row);
    assert.deepEqual(
      rows.filter(row => !isHeld(row)),
      [],
    );
  });
}
