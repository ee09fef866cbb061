/** The user guide's tables name the kernels and measures that the code has, by the same rules. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { headKinds } from '../../../src/attention/headKinds';
import { measures } from '../../../src/attention/headRanking';
import { kernelRules, mixRules } from '../../../src/attention/kernelShape';
import { guideText as guide } from '../../fixtures/guide';
import { root } from '../../fixtures/paths';

/** Cells of the first table after a heading. */
function tableAfter(heading: string): string[][] {
  const from = guide.search(new RegExp(`^#+ ${heading}$`, 'm'));
  assert.ok(from >= 0, heading);
  const lines = guide.slice(guide.indexOf('\n|', from) + 1).split('\n');
  const table = lines.slice(
    0,
    lines.findIndex(line => !line.startsWith('|')),
  );
  return table.slice(2).map(line =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(cell => cell.trim()),
  );
}

test('kinds of kernels: the guide has the rules of the code, in their order', () => {
  const ofMixes = mixRules.filter(({ name }) => !kernelRules.some(rule => rule.name === name));
  assert.deepEqual(
    tableAfter('Kinds of kernels'),
    [...kernelRules, ...ofMixes].map(({ name, rule }) => [name, rule]),
  );
  for (const { name, rule } of mixRules) {
    const same = kernelRules.find(kernelRule => kernelRule.name === name);
    if (same) assert.equal(rule, same.rule);
  }
});

test('measures of heads: the guide has all of them', () => {
  const names = tableAfter('Of heads').map(([name]) => name);
  assert.deepEqual(names.toSorted(), measures.map(({ label }) => label).toSorted());
});

test('kinds of heads: guide and schema have the rules of the code, in their order', () => {
  assert.deepEqual(
    tableAfter('Kinds of heads'),
    headKinds.map(({ label, rule }) => [label, rule]),
  );
  const schema = JSON.parse(readFileSync(join(root, 'src/cli/schemas/heads.schema.json'), 'utf8'));
  const { kind } = schema.properties.heads.items.properties;
  assert.deepEqual(
    kind.enum,
    headKinds.map(({ name }) => name),
  );
});
