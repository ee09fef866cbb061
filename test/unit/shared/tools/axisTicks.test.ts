import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axisTicks, roundStep, showsTokens } from '../../../../src/shared/tools/axisTicks';
import { Random } from '../../../random';

test('ticks lie on the axis, in order, on their cells, and never over each other', () => {
  const random = new Random(2);
  for (let round = 0; round < 300; round++) {
    const nTokens = 1 + random.below(3000);
    const cellSize = 0.05 + random.next() * 30;
    const origin = -random.next() * nTokens * cellSize;
    const ticks = axisTicks(origin, cellSize, 300, nTokens, idx => `token ${idx}`);
    for (const [i, { idx, at, text }] of ticks.entries()) {
      assert.ok(idx >= 0 && idx < nTokens && at >= 0 && at <= 300, JSON.stringify({ idx, at }));
      assert.ok(Math.abs(at - (origin + (idx + 0.5) * cellSize)) < 1e-6);
      assert.equal(text, showsTokens(cellSize) ? `token ${idx}` : String(idx));
      if (i > 0) assert.ok(at - ticks[i - 1]!.at >= (showsTokens(cellSize) ? 12 : 30));
    }
  }
});

test('where there is room every token has its tick, elsewhere some numbers are written', () => {
  const random = new Random(4);
  for (let round = 0; round < 300; round++) {
    const cellSize = 0.2 + random.next() * 30;
    const nTokens = Math.ceil(300 / cellSize) + random.below(500);
    const origin = -random.next() * (nTokens * cellSize - 300);
    const ticks = axisTicks(origin, cellSize, 300, nTokens, String);
    const middles = Array.from({ length: nTokens }, (_, idx) => origin + (idx + 0.5) * cellSize);
    const onAxis = middles.filter(at => at >= 1e-6 && at <= 300 - 1e-6).length;
    if (showsTokens(cellSize)) assert.ok(ticks.length >= onAxis && ticks.length <= onAxis + 2);
    else assert.ok(ticks.length >= 2, JSON.stringify({ cellSize, origin, nTokens }));
  }
});

test('steps are 1, 2 or 5 times a power of ten, and large enough', () => {
  for (let atLeast = 0.1; atLeast < 5000; atLeast *= 1.07) {
    const step = roundStep(atLeast);
    assert.ok(step >= atLeast);
    assert.match(String(step), /^[125]0*$/);
  }
});
