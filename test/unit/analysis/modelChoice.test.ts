/** What an untrusted workspace cannot make the extension do, whatever settings reach it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { chooseModel } from '../../../src/analysis/modelChoice';
import { bundledModelsDirectory } from '../../../src/cli/modelPaths';
import type { Settings } from '../../../src/contributions';
import { tinyModelDirectory } from '../../fixtures/paths';

const remote = { url: 'https://server.example', model: '', timeoutMs: 1000, retries: 0, caFile: '' };
const settings = {
  model: '',
  provider: 'auto',
  threads: 0,
  quantizedWeights: 'packed',
  remote: null,
} as unknown as Settings;
const bundled = bundledModelsDirectory();

/** Chooses, and counts how often the token was asked for. */
async function choose(change: Partial<Settings>, isTrusted: boolean) {
  let nAsked = 0;
  const token = async () => {
    nAsked++;
    return 'secret';
  };
  const chosen = await chooseModel({ ...settings, ...change }, bundled, isTrusted, token).catch(error => error);
  return { chosen, nAsked };
}

test('without trust a bundled model runs, by default or by name', async () => {
  for (const model of ['', 'toy-mta-n5']) {
    const { chosen, nAsked } = await choose({ model }, false);
    assert.ok(chosen.modelDirectory.startsWith(bundled), chosen.modelDirectory);
    assert.equal(chosen.remote, undefined);
    assert.equal(nAsked, 0);
  }
});

test('without trust no other folder is read and no server hears anything, not even the token is looked up', async () => {
  for (const change of [{ model: tinyModelDirectory }, { remote }, { remote, model: tinyModelDirectory }]) {
    const { chosen, nAsked } = await choose(change, false);
    assert.equal(chosen.code, 'untrusted');
    assert.equal(nAsked, 0);
  }
});

test('with trust both are used, and the token goes with the server alone', async () => {
  const folder = await choose({ model: tinyModelDirectory }, true);
  assert.deepEqual(folder, {
    chosen: { modelDirectory: tinyModelDirectory, provider: 'auto', nThreads: 0, quantizedWeights: 'packed' },
    nAsked: 0,
  });
  const { chosen } = await choose({ remote, model: tinyModelDirectory }, true);
  assert.deepEqual(chosen.remote, { ...remote, token: 'secret' });
  assert.equal(chosen.modelDirectory, '');
});
