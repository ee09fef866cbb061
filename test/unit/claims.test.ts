/** What the documentation says of the bundled models is what their cards measured, with set, size, interval and budget. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../fixtures/paths';

interface Claims {
  readonly models: { readonly mta: string; readonly baseline: string };
  readonly budget: {
    readonly equal: string;
    readonly tokens: number;
    readonly machine: string;
    readonly seconds: { readonly mta: number; readonly baseline: number };
  };
  readonly part: string;
  readonly quality: readonly {
    readonly set: string;
    readonly text: string;
    readonly documents: number;
    readonly metric: string;
    readonly mta: number;
    readonly baseline: number;
    readonly difference: readonly [mean: number, low: number, high: number];
  }[];
}

const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ');
const claims = JSON.parse(read('models', 'claims.json')) as Claims;
const card = read('models', claims.models.mta, 'README.md');
const configOf = (model: string) => JSON.parse(read('models', model, 'config.json'));
const minus = (value: number) => value.toFixed(4).replace('-', '−');

/** A cell of the first table that has the row, in the column. */
function cell(row: string, column: string): string {
  const lines = card.split('\n');
  const at = lines.findIndex(line => line.startsWith(`| ${row} |`));
  const heading = lines.slice(0, at).findLast(line => line.includes(`| ${column} |`));
  assert.ok(at >= 0 && heading, `${row}, ${column}`);
  return lines[at]!.split('|').map(part => part.trim())[heading.split('|').findIndex(part => part.trim() === column)]!;
}

for (const { set, text, documents, metric, mta, baseline, difference } of claims.quality) {
  test(`claims: ${set} are what the card and config.json have`, () => {
    assert.ok(cell('mta-base', set).startsWith(`${mta} (`));
    assert.ok(cell('transformer-base', set).startsWith(`${baseline} (`));
    const [mean, low, high] = difference.map(minus);
    assert.equal(cell('mta-base less transformer-base', set), `${mean} (${low} to ${high})`);
    assert.equal(configOf(claims.models.mta).metrics[metric], mta);
    assert.equal(configOf(claims.models.baseline).metrics[metric], baseline);
    assert.match(text, new RegExp(`\\b${documents}\\b`));
    assert.ok(card.includes(text), text);
  });
}

test('claims: the budget is that of the training', () => {
  const { tokens, seconds } = claims.budget;
  assert.equal(configOf(claims.models.mta).training.tokens_seen, tokens);
  assert.equal(configOf(claims.models.mta).training.train_seconds, seconds.mta);
  assert.equal(configOf(claims.models.baseline).training.tokens_seen, tokens);
  assert.equal(configOf(claims.models.baseline).training.train_seconds, seconds.baseline);
});

test('the page for engineers names set, size, interval and budget of each claim', () => {
  const page = oneLine(read('docs', 'for-engineers.md'));
  const percent = (value: number, baseline: number) => ((-100 * value) / baseline).toFixed(1);
  for (const { text, baseline, difference } of claims.quality) {
    const [mean, low, high] = difference.map(value => percent(value, baseline));
    assert.ok(page.includes(`${mean} % (${high} to ${low}) on ${text}`), `${mean} % (${high} to ${low}) on ${text}`);
  }
  assert.ok(page.includes(`(${claims.part}; 95 % intervals over documents)`));
  const { equal, machine, seconds } = claims.budget;
  assert.ok(page.includes(`equal ${equal}: ${seconds.mta} against ${seconds.baseline} seconds on ${machine}`));
});

test('no other text claims a share of bits per byte', () => {
  const docs = readdirSync(join(root, 'docs')).filter(name => name.endsWith('.md'));
  for (const file of [
    'README.md',
    ...docs.map(name => join('docs', name)),
    'package.nls.json',
    'package.nls.de.json',
  ]) {
    assert.doesNotMatch(oneLine(read(file)), /% (fewer|less) bits/, file);
  }
});
