/** Each sentence under the scale appears where it is true, and nowhere else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { legendNotes } from '../../../webview/legendNotes';
import type { State } from '../../../webview/state';

interface Case {
  readonly stage?: string;
  readonly minus?: string;
  readonly blockSize?: number;
  readonly keysLeftOut?: number;
  readonly isExact?: boolean;
  readonly isTooLarge?: boolean;
  readonly slidingWindow?: number;
  readonly row?: { readonly isExact: boolean; readonly values: readonly number[]; readonly queryIdx: number };
}

function notes({ stage = 'pattern', minus, blockSize = 1, keysLeftOut = 0, slidingWindow, row, ...rest }: Case) {
  const part = { isExact: false, isTooLarge: false, ...rest };
  const ref = { analysisId: 1, layerIdx: 0, headIdx: 0, stage, minus: minus ?? null, nTokens: 9 };
  const panel = { model: { layers: [{ slidingWindow }] } };
  const state = { panel, map: { ref, blockSize, keysLeftOut }, selection: row ? { row } : null };
  return legendNotes(state as unknown as State, part);
}

const masked = 'Hatched: masked, the key comes after the query.';
const covers = 'A pixel that covers several cells shows the strongest.';
const row = (...values: number[]) => ({ isExact: true, values, queryIdx: 3 });
const cases: [string, Case, readonly (string | RegExp)[]][] = [
  ['a plain map', {}, [masked]],
  ['exact values', { isExact: true }, [covers, masked]],
  ['pooled values', { blockSize: 4 }, ['Each cell shows the strongest of 4×4.', masked]],
  ['exact values of a map that was pooled', { blockSize: 4, isExact: true }, [covers, masked]],
  ['a difference', { stage: 'mixed_pattern', minus: 'pattern' }, [/ minus .*\.$/, /^The scale ends at/, masked]],
  [
    'a difference of which too much is on screen',
    { stage: 'mixed_pattern', minus: 'pattern', isTooLarge: true, blockSize: 4 },
    [/ minus .*\.$/, /^Zoom in/, masked],
  ],
  ['the first key left out', { keysLeftOut: 1 }, [/^Key 0 is left out/, masked]],
  ['the first keys left out', { keysLeftOut: 3 }, [/^Keys 0–2 are left out/, masked]],
  ['a row that sums to 1', { row: row(0.5, 0.4996) }, [masked]],
  ['a row that does not', { row: row(0.5, 0.25) }, ['Row 3 sums to +0.7500, not 1.', masked]],
  ['a row of pooled values', { row: { ...row(0.5), isExact: false } }, [masked]],
  ['a row of scores, which need not sum to 1', { stage: 'scores', row: row(0.5) }, [masked]],
  ['a row of a difference', { stage: 'mixed_pattern', minus: 'pattern', row: row(0.5) }, [/minus/, /scale/, masked]],
  ['a sliding window shorter than the text', { slidingWindow: 8 }, [masked, /looks back 8 tokens/]],
  ['a sliding window as long as the text', { slidingWindow: 9 }, [masked]],
];
for (const [what, given, expected] of cases) {
  test(what, () => {
    const found = notes(given);
    assert.equal(found.length, expected.length, found.join(' | '));
    for (const [i, note] of expected.entries()) {
      if (typeof note === 'string') assert.equal(found[i], note);
      else assert.match(found[i]!, note);
    }
  });
}

test('without a map there is nothing to say', () => {
  assert.deepEqual(legendNotes({ map: null } as unknown as State, { isExact: false, isTooLarge: false }), []);
});
