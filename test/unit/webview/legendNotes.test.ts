/** Each sentence under the scale appears where it is true, and nowhere else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MapData } from '../../../webview/heatmap/mapData';
import { legendNotes, readingNotes } from '../../../webview/legendNotes';
import type { State } from '../../../webview/state';

interface Case {
  readonly stage?: string;
  readonly minus?: string;
  readonly blockSize?: number;
  readonly isExact?: boolean;
  readonly isTooLarge?: boolean;
  readonly slidingWindow?: number;
  readonly attentionChunk?: number;
}

function notes({ stage = 'pattern', minus, blockSize = 1, slidingWindow, attentionChunk, ...rest }: Case) {
  const part = { isExact: false, isTooLarge: false, ...rest };
  const ref = { analysisId: 1, layerIdx: 0, headIdx: 0, stage, minus: minus ?? null, nTokens: 9 };
  const panel = { model: { layers: [{ slidingWindow, attentionChunk }] } };
  const state = { panel, map: { ref, blockSize } };
  return legendNotes(state as unknown as State, part);
}

const covers = 'Where cells are smaller than 2 pixels, the strongest of them is shown.';
const cases: [string, Case, readonly (string | RegExp)[]][] = [
  ['a plain map', {}, []],
  ['exact values', { isExact: true }, [covers]],
  ['pooled values', { blockSize: 4 }, ['Each cell shows the strongest of 4×4.']],
  ['exact values of a map that was pooled', { blockSize: 4, isExact: true }, [covers]],
  ['a difference', { stage: 'mixed_pattern', minus: 'pattern' }, [/ minus .*\.$/, /^The scale is that of/]],
  [
    'a difference of which too much is on screen',
    { stage: 'mixed_pattern', minus: 'pattern', isTooLarge: true, blockSize: 4 },
    [/ minus .*\.$/, /^Zoom in/],
  ],
  ['a sliding window shorter than the text', { slidingWindow: 8 }, [/looks back 8 tokens/]],
  ['a sliding window as long as the text', { slidingWindow: 9 }, []],
  ['chunks shorter than the text', { attentionChunk: 8 }, [/same chunk of 8 tokens/]],
  ['chunks as long as the text', { attentionChunk: 9 }, []],
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

test('how to read a map: which half is masked, which scale it has, where the first token is', () => {
  for (const [scaleKind, pattern] of [
    ['power', /^Power scale .* 99\.5th percentile/],
    ['linear', /^Linear scale .* largest value/],
  ] as const) {
    const said = readingNotes({ scaleKind } as MapData);
    for (const wanted of [/masked/, pattern, /strip of its own/]) assert.ok(said.some(note => wanted.test(note)));
  }
});
