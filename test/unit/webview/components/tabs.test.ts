import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scrollTo, stepTab } from '../../../../webview/components/tabs';

const steps: [string, number, number, number | undefined][] = [
  ['ArrowRight', 0, 3, 1],
  ['ArrowRight', 2, 3, 0],
  ['ArrowLeft', 0, 3, 2],
  ['ArrowLeft', 0, 1, 0],
  ['Home', 2, 3, 0],
  ['End', 0, 3, 2],
  ['Enter', 0, 3, undefined],
  ['ArrowDown', 0, 3, undefined],
];
for (const [key, shown, nTabs, expected] of steps) {
  test(`${key} on tab ${shown} of ${nTabs} leads to ${expected}`, () =>
    assert.equal(stepTab(key, shown, nTabs), expected));
}

const scrolls: [string, number, number, number][] = [
  ['in sight: stays', 100, 150, 100],
  ['before: comes in from the left, with its neighbour', 100, 90, 66],
  ['the first: all the way', 100, 0, 0],
  ['after: comes in from the right', 100, 400, 284],
];
for (const [name, scrollLeft, offset, expected] of scrolls) {
  test(`a tab ${name}`, () => assert.equal(scrollTo(scrollLeft, 200, offset, 60), expected));
}
