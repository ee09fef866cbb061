import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HeadKind, headKindOf } from '../../../src/attention/headKind';
import type { HeadMeasures } from '../../../src/shared/headMeasures';

const none: HeadMeasures = {
  ...{ entropyBits: 3, meanDistance: 9, previousToken: 0.1, induction: 0, sinkShare: 0.1, contextScore: 0 },
  ...{ preConvChange: Number.NaN, postConvChange: Number.NaN },
};
const cases: [string, Partial<HeadMeasures>, HeadKind][] = [
  ['nothing in particular', {}, 'mixed'],
  ['an induction head', { induction: 0.28, contextScore: 0.3, previousToken: 0.5 }, 'copies'],
  ['just below the rule', { induction: 0.099, previousToken: 0.4 }, 'previous'],
  ['text that repeats', { contextScore: 0.1, sinkShare: 0.8 }, 'repeats'],
  ['a sink', { sinkShare: 0.5 }, 'first'],
  ['measures that are missing', { induction: Number.NaN, contextScore: Number.NaN, sinkShare: 0.9 }, 'first'],
];
for (const [name, measures, kind] of cases) {
  test(`${name}: ${kind}`, () => assert.equal(headKindOf({ ...none, ...measures }), kind));
}
