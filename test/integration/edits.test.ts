/** Re-analysis after edits: what is taken over from the run before changes nothing about the result. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import type { LayerEvent, Slot } from '../../src/inference/protocol';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import type { LayerResult } from '../../src/shared/analysis';
import { Cancelled } from '../../src/shared/tools/failure';
import { writeRandomModel } from '../fixtures/randomModel';
import { Random } from '../random';

const scratch = mkdtempSync(join(tmpdir(), 'mta-edits-'));
const maxTokens = 340;
let engine: Engine;
let layers: LayerResult[] = [];
/** Stops a run after this layer. */
let cancelAfter: { layerIdx: number; controller: AbortController } | undefined;

before(async () => {
  writeRandomModel(join(scratch, 'model'), { max_seqlen: maxTokens });
  const args = { modelDirectory: join(scratch, 'model'), provider: 'cpu', nThreads: 1 } as const;
  engine = await Engine.load(args, (name, payload) => {
    if (name !== 'layer') return;
    const { layer } = payload as LayerEvent;
    layers.push(layer);
    if (layer.layerIdx === cancelAfter?.layerIdx) cancelAfter.controller.abort();
  });
});
after(async () => {
  await engine.release();
  rmSync(scratch, { recursive: true, force: true });
});

let nextId = 1;
async function analyze(text: string, slot: Slot = 'main', signal?: AbortSignal) {
  layers = [];
  const analysisId = nextId++;
  const place = { text, textStart: 0, documentLength: text.length, anchor: 0 };
  const answer = await engine.analyze({ analysisId, maxTokens, topK: 8, slot, ...place }, signal);
  return { ...answer, layers };
}

type Analyzed = Awaited<ReturnType<typeof analyze>>;

const close = (a: ArrayLike<number>, b: ArrayLike<number>, limit: number, what: string) => {
  assert.equal(a.length, b.length, what);
  for (let i = 0; i < a.length; i++) {
    const isSame = Object.is(a[i], b[i]) || Math.abs(a[i]! - b[i]!) <= limit;
    assert.ok(isSame, `${what}: ${a[i]} instead of ${b[i]} at ${i}`);
  }
};

async function assertSame(got: Analyzed, want: Analyzed): Promise<void> {
  const nTokens = want.predictions.surprisalBits.length;
  close(got.predictions.surprisalBits, want.predictions.surprisalBits, 1e-3, 'surprisal');
  close(got.predictions.topProbabilities, want.predictions.topProbabilities, 1e-4, 'predictions');
  for (const [layerIdx, { topKeys, overviews }] of want.layers.entries()) {
    const other = got.layers[layerIdx]!;
    close(other.topKeys.weights, topKeys.weights, 1e-4, `top keys of layer ${layerIdx}`);
    const nDifferent = topKeys.indices.filter((key, i) => key !== other.topKeys.indices[i]).length;
    assert.ok(nDifferent <= topKeys.indices.length / 1000, `${nDifferent} other keys`); // but for near ties
    for (const [i, { stage, size, scales, cells }] of overviews.entries()) {
      assert.equal(other.overviews[i]!.size, size);
      close(other.overviews[i]!.scales, scales, 1e-3, `scale of ${stage}`);
      close(other.overviews[i]!.cells, cells, 1, `cells of ${stage}`);
    }
    const row = { queryStart: nTokens - 1, keyStart: 0, nQueries: 1, nKeys: nTokens };
    const [a, b] = await Promise.all(
      [got, want].map(({ analysisId }) =>
        engine.details.tile({ analysisId, layerIdx, headIdx: 1, stage: 'mixed_pattern', ...row }),
      ),
    );
    close(a!.values, b!.values, 1e-4, `last row of layer ${layerIdx}`);
  }
}

/** The same text with nothing to take over. */
async function fresh(text: string): Promise<Analyzed> {
  engine.forget('compare');
  return analyze(text, 'compare');
}

const words = ['the', ' token', ' of', '\n', ' attends', ' 7', ' x', ';', ' été', ' 😀'];

test('any edit: insertions, deletions, replacements, at any place', async () => {
  const random = new Random(21);
  const some = (n: number) => Array.from({ length: n }, () => random.pick(words)).join('');
  let text = some(90);
  await analyze(text);
  for (let edit = 0; edit < 25; edit++) {
    const at = random.below(text.length + 1);
    const nDeleted = random.pick([0, 0, 1, 5, text.length - at]);
    // Some edits take the text over 256 tokens, where maps begin to be pooled, and back.
    const inserted = nDeleted > 50 ? '' : some(random.pick([0, 1, 3, 40]));
    text = text.slice(0, at) + inserted + text.slice(at + nDeleted);
    if (text.length < 60) text += some(120);
    await assertSame(await analyze(text), await fresh(text));
  }
});

test('typing at the end computes the new rows only', async () => {
  const text = 'a b c d e f g h i j '.repeat(20);
  const first = await analyze(text, 'main');
  assert.equal((await fresh(text)).nReused, 0);
  const nTokens = first.predictions.surprisalBits.length;
  assert.ok(nTokens > 260, `${nTokens} tokens are too few to be pooled`);
  const next = await analyze(`${text}z`);
  assert.ok(next.nReused >= nTokens - 4, `${next.nReused} of ${nTokens} rows`);
  assert.equal((await analyze(`z${text}`)).nReused, 0);
});

test('maps pooled by other sizes, forgotten and needed again', async () => {
  const runtime = new ModelRuntime(await openModelFolder(join(scratch, 'model')), 'cpu', 1);
  const hidden = await runtime.embed(Int32Array.from({ length: 40 }, (_, i) => 3 + i));
  const first = await runtime.block(0, hidden, { topK: 4, blockSize: 1 });
  for (const blockSize of [2, 4, 8, 1]) {
    const { topKeys } = await runtime.block(0, hidden, { topK: 4, blockSize });
    close(topKeys.weights, first.topKeys.weights, 1e-6, `blocks of ${blockSize}`);
  }
  await runtime.release();
});

test('a run that was stopped half-way takes nothing away from the next one', async () => {
  const text = 'one two three four five six seven '.repeat(12);
  await analyze(text);
  for (const layerIdx of [0, 1]) {
    const controller = new AbortController();
    cancelAfter = { layerIdx, controller };
    await assert.rejects(analyze(`${text}${layerIdx} eight`, 'main', controller.signal), Cancelled);
    cancelAfter = undefined;
  }
  const ended = await analyze(`${text}nine`);
  const nTokens = ended.predictions.surprisalBits.length;
  assert.ok(ended.nReused > nTokens - 10, `${ended.nReused} of ${nTokens} rows`);
  await assertSame(ended, await fresh(`${text}nine`));
});
