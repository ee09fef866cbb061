/** The model of models/smollm2-mta: it opens packed, its card has its figures, and the sample's finding is its own. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { modelPackage } from '../../scripts/packageModel.mjs';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { readKernels } from '../../src/inference/runtime/kernelFeeds';
import { readKernelHistory } from '../../src/inference/runtime/kernelHistory';
import { bundledModelDirectory, root } from '../fixtures/paths';
import { cliProgram } from '../fixtures/programs';

const directory = join(root, 'models', 'smollm2-mta');

test('its files: shards under 50 MB, together under 160 MB, an extension’s package', () => {
  const sizes = readdirSync(directory).map(name => statSync(join(directory, name)).size);
  assert.ok(Math.max(...sizes) < 50e6, `${Math.max(...sizes)} bytes`);
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 160e6);
  const { manifest } = modelPackage(directory);
  assert.deepEqual([manifest.name, manifest.license], ['smollm2-mta', 'Apache-2.0']);
});

test('it opens packed, and its kernels end their training as the model has them', async () => {
  const folder = await openModelFolder(directory);
  assert.equal(folder.summary.weightsKeptAs, 'packed');
  assert.equal(folder.summary.nParameters, 134_528_184);
  for (const layerIdx of [0, 18]) {
    const { steps, snapshots } = (await readKernelHistory(folder, layerIdx))!;
    assert.deepEqual([steps.length, steps[0], steps.at(-1)], [13, 0, 5167]);
    assert.deepEqual(snapshots.at(-1), await readKernels(folder, layerIdx));
  }
});

test('the card has the figures of config.json', () => {
  const { metrics, training } = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'));
  const card = readFileSync(join(directory, 'README.md'), 'utf8');
  const { books_bpb: books, docs_bpb: docs, code_bpb: code } = metrics;
  assert.ok(
    card.includes(`| as shipped, 8 bits | ${[books, docs, code].map(value => value.toFixed(4)).join(' | ')} |`),
  );
  assert.ok(card.includes(`${Math.round(training.tokens_seen / 1e6)} million tokens`));
});

const sample = join(root, 'samples', 'shapes.ts');
const at = readFileSync(sample, 'utf8').lastIndexOf('93');

function explain(model: string) {
  const args = ['explain', sample, '--at', String(at), '--target', 'predicted', '--model', model, '--json', '-'];
  const { stdout, stderr, status } = spawnSync(process.execPath, [cliProgram, ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as {
    readonly target: { readonly text: string };
    readonly heads: readonly (readonly number[])[];
    readonly tokens: readonly (number | null)[];
    readonly token_texts: readonly string[];
  };
}

/** Index of the largest number. */
const largest = (values: readonly (number | null)[]) => {
  const numbers = values.map(value => value ?? Number.NEGATIVE_INFINITY);
  return numbers.indexOf(Math.max(...numbers));
};

test('samples/shapes.ts: it predicts the 9 of 93, from line 4 and most by L23H0; mta-base predicts 0', () => {
  const { target, heads, tokens, token_texts: texts } = explain(directory);
  assert.equal(target.text, '9');
  const token = largest(tokens);
  assert.deepEqual(texts.slice(token - 2, token + 3), [' =', ' ', '9', '3', ';']);
  assert.equal(token, 37, 'the 9 of line 4');
  const perLayer = heads.map(layer => Math.max(...layer));
  const layerIdx = largest(perLayer);
  assert.deepEqual([layerIdx, largest(heads[layerIdx]!)], [23, 0]);
  assert.equal(explain(bundledModelDirectory).target.text, '0');
});
