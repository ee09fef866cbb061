/** Lens, knock-outs, patches and ablations of plain models equal TransformerLens and transformers (models/export/intervention_cases.py). */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Cuts, KnockOutRunner } from '../../src/inference/experiments/knockOutRuns';
import { type PatchSource, patchRuns } from '../../src/inference/experiments/patchRuns';
import { streamBefore, streamsOf } from '../../src/inference/experiments/streams';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { targetsOf } from '../../src/inference/run/predictions';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import type { PatchKind } from '../../src/shared/interventions';
import { huggingFaceCases, writeHuggingFaceModel } from '../fixtures/huggingFace';
import { root } from '../fixtures/paths';

interface Case {
  readonly ids: readonly number[];
  readonly corrupted: readonly number[];
  readonly row: number;
  readonly target: number;
  readonly minus: number;
  readonly lens: readonly Readonly<Record<'surprisal_bits' | 'rank' | 'entropy_bits' | 'kl_bits', readonly number[]>>[];
  readonly knock_outs: readonly {
    readonly keys: readonly [number, number];
    readonly queries: readonly [number, number | null];
    readonly layers: readonly number[] | null;
    readonly heads: readonly number[] | null;
    readonly change_bits: readonly number[];
    readonly kl_bits: readonly number[];
  }[];
  readonly clean: number;
  readonly original: number;
  readonly patches: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly ablations: Readonly<Record<string, readonly (readonly number[])[]>>;
}
const golden = JSON.parse(readFileSync(join(root, 'test', 'fixtures', 'interventions.json'), 'utf8')) as {
  readonly cases: Readonly<Record<string, Case>>;
};

const scratch = mkdtempSync(join(tmpdir(), 'mta-interventions-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function assertClose(got: ArrayLike<number>, expected: readonly number[], what: string): void {
  assert.equal(got.length, expected.length, what);
  for (let i = 0; i < got.length; i++) {
    const size = Math.max(1, Math.abs(expected[i]!));
    assert.ok(Math.abs(got[i]! - expected[i]!) <= 2e-4 * size, `${what}, ${i}: ${got[i]}, expected ${expected[i]}`);
  }
}
const bits = (nats: Float32Array) => nats.map(value => value / Math.LN2);

for (const [name, expected] of Object.entries(golden.cases)) {
  test(`${name}: as TransformerLens and transformers have it`, async t => {
    const found = huggingFaceCases().find(candidate => candidate.name === name)!;
    const directory = join(scratch, name);
    writeHuggingFaceModel(directory, found);
    const folder = await openModelFolder(directory);
    const runtime = new ModelRuntime(folder, 'cpu', 1);
    try {
      const ids = Int32Array.from(expected.ids);
      // Nothing follows the last row.
      const nRows = ids.length - 1;
      const { n_layers: nLayers } = folder.config;
      const streams = await streamsOf(runtime, ids);

      await t.test('logit lens', async () => {
        const streamsAfter = Array.from({ length: nLayers }, (_, layerIdx) => streamBefore(streams, layerIdx + 1));
        const lens = await runtime.logitLens(streamsAfter, targetsOf(ids), { k: 1 });
        for (const [layerIdx, layer] of expected.lens.entries()) {
          const got = lens[layerIdx]!;
          const surprisal = bits(got.logProbabilities).map(value => -value);
          const what = `layer ${layerIdx}`;
          assertClose(surprisal.subarray(0, nRows), layer.surprisal_bits.slice(0, nRows), `surprisal, ${what}`);
          assert.deepEqual([...got.ranks.subarray(0, nRows)], layer.rank.slice(0, nRows));
          assertClose(bits(got.entropy), layer.entropy_bits, `entropy, ${what}`);
          assertClose(bits(got.divergence), layer.kl_bits, `divergence, ${what}`);
        }
      });

      await t.test('knock-outs', async () => {
        const rows = { first: 0, end: nRows, targets: targetsOf(ids).slice(0, nRows) };
        const runner = await KnockOutRunner.open(runtime, streams, rows);
        for (const [i, { keys, queries, layers, heads, change_bits, kl_bits }] of expected.knock_outs.entries()) {
          const cut = {
            keys: { first: keys[0], end: keys[1] },
            queries: { first: queries[0], end: queries[1] ?? ids.length },
            heads,
          };
          const all = Array.from({ length: nLayers }, (_, layerIdx) => layerIdx);
          const cuts: Cuts = new Map((layers ?? all).map(layerIdx => [layerIdx, [cut]]));
          const without = await runner.without(cuts);
          const change = without.logProbabilities.map((value, row) => value - runner.before.logProbabilities[row]!);
          assertClose(bits(change), change_bits.slice(0, nRows), `change, knock-out ${i}`);
          assertClose(bits(without.divergence!), kl_bits.slice(0, nRows), `divergence, knock-out ${i}`);
        }
      });

      await t.test('patches and ablations', async () => {
        const { row, target, minus } = expected;
        const corrupted = Int32Array.from(expected.corrupted);
        const run = (kind: PatchKind, source: PatchSource) =>
          patchRuns(runtime, { ids: corrupted, source, kind, row, target, minus });
        const clean = { ids, counterparts: ids.map((_, i) => i), row };
        for (const [what, values] of Object.entries(expected.patches)) {
          const got = await run(what as PatchKind, clean);
          assertClose([got.clean!, got.original], [expected.clean, expected.original], 'as the texts are');
          for (const [layerIdx, layer] of values.entries()) {
            assertClose(got.patched[layerIdx]!, layer, `patched ${what}, layer ${layerIdx}`);
          }
        }
        for (const [what, values] of Object.entries(expected.ablations)) {
          const [kind, source] = what.split(' ') as [PatchKind, 'zero' | 'mean'];
          const got = await run(kind, source);
          for (const [layerIdx, layer] of values.entries()) {
            assertClose(got.patched[layerIdx]!, layer, `${what}, layer ${layerIdx}`);
          }
        }
      });
    } finally {
      await runtime.release();
    }
  });
}
