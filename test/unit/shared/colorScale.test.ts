import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bakeColors,
  blankBelow,
  type ColorMap,
  colorMaps,
  colorOf,
  contrast,
  levelOf,
  maxLevel,
  nanColor,
  nanLevel,
  parseColor,
  partAt,
  type Rgb,
  scaleKinds,
} from '../../../src/shared/colorScale';

const backgrounds: Rgb[] = [
  [255, 255, 255],
  [31, 31, 31],
  [0, 0, 0],
];

test('levels are odd in the value, grow with it, and end at the maximum', () => {
  for (const kind of scaleKinds) {
    for (let value = -3; value <= 3; value += 0.01) {
      assert.equal(levelOf(-value, 2, kind), -levelOf(value, 2, kind) + 0);
      assert.ok(levelOf(value + 0.01, 2, kind) >= levelOf(value, 2, kind));
    }
  }
  assert.equal(levelOf(2, 2), maxLevel);
  assert.equal(levelOf(1e9, 2), maxLevel);
  assert.equal(levelOf(Number.NEGATIVE_INFINITY, 2), -maxLevel);
  assert.equal(levelOf(1, 0), 0);
});

test('near zero nothing is drawn; from there a power scale spreads weak values, a linear one does not', () => {
  for (const kind of scaleKinds) {
    assert.deepEqual(
      [0, 0.029, -0.029, 0.03, -0.03].map(part => levelOf(2 * part, 2, kind)),
      [0, 0, 0, 1, -1],
    );
    for (let level = 1; level <= maxLevel; level++) {
      const part = partAt((level - 1) / (maxLevel - 1), kind);
      assert.ok(part >= blankBelow && part <= 1);
      assert.equal(levelOf(7 * part, 7, kind), level, `${kind}: the scale's legend says ${part} at level ${level}`);
    }
  }
  // A tenth of the end: 20 % of the way on the power scale, 7 % on the linear one.
  assert.deepEqual([levelOf(0.1, 1, 'power'), levelOf(0.1, 1, 'linear'), levelOf(0.1, 1)], [27, 10, 10]);
});

test('what is not a number has a level and a colour of its own', () => {
  assert.equal(levelOf(Number.NaN, 1), nanLevel);
  assert.deepEqual(colorOf(bakeColors(backgrounds[0]!), nanLevel), nanColor);
});

for (const background of backgrounds) {
  test(`on ${background}: zero is the background, stronger values stand out more, signs differ in hue`, () => {
    const table = bakeColors(background);
    assert.deepEqual(colorOf(table, 0), background);
    for (const sign of [1, -1]) {
      let before = 1;
      for (let level = 0; level <= maxLevel; level++) {
        const ratio = contrast(colorOf(table, sign * level), background);
        assert.ok(ratio >= before * 0.995, `level ${sign * level}: ${ratio} after ${before}`);
        assert.ok(level === 0 || ratio >= 3, `level ${sign * level} has a contrast of ${ratio}`);
        before = ratio;
      }
      assert.ok(before > 6, `the end stands out by ${before}`);
    }
    for (let level = 1; level <= maxLevel; level++) {
      const [positiveRed, , positiveBlue] = colorOf(table, level);
      const [negativeRed, , negativeBlue] = colorOf(table, -level);
      assert.ok(positiveBlue > positiveRed && negativeRed > negativeBlue);
    }
  });

  test(`on ${background}: both signs stand out alike, and neighbouring levels look alike`, () => {
    const table = bakeColors(background);
    for (let level = 1; level <= maxLevel; level++) {
      const [positive, negative] = [1, -1].map(sign => contrast(colorOf(table, sign * level), background));
      const ratio = positive! / negative!;
      assert.ok(ratio > 0.6 && ratio < 1.6, `level ${level}: ${positive} and ${negative}`);
      for (const sign of [1, -1]) {
        if (level === 1) continue; // the first visible step is apart from the background on purpose
        const before = colorOf(table, sign * (level - 1));
        const jump = Math.max(...colorOf(table, sign * level).map((channel, i) => Math.abs(channel - before[i]!)));
        assert.ok(jump <= 16, `level ${sign * level} jumps by ${jump}`);
      }
    }
    for (let at = 3; at < table.length; at += 4) assert.equal(table[at], 255);
  });
}

/** How people without one kind of cone see linear RGB: Machado, Oliveira, Fernandes 2009, severity 1. */
const deficiencies = {
  protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  tritanopia: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};

for (const colorMap of Object.keys(colorMaps) as ColorMap[]) {
  test(`${colorMap}: every eye can distinguish the signs, on every background`, () => {
    for (const background of backgrounds) {
      const table = bakeColors(background, undefined, colorMap);
      assert.deepEqual(colorOf(table, 0), background);
      for (const level of [64, maxLevel]) {
        for (const [name, matrix] of Object.entries(deficiencies)) {
          const [positive, negative] = [level, -level].map(at => seenBy(matrix, colorOf(table, at)));
          const distance = Math.hypot(...positive!.map((channel, i) => channel - negative![i]!));
          assert.ok(distance > 40, `${name}, level ${level} on ${background}: ${distance}`);
        }
      }
    }
  });
}

function seenBy(matrix: readonly number[], color: Rgb): number[] {
  const linear = color.map(channel => (channel / 255) ** 2.2);
  return [0, 3, 6].map(row => {
    const sum = linear.reduce((total, channel, i) => total + channel * matrix[row + i]!, 0);
    return 255 * Math.max(0, sum) ** (1 / 2.2);
  });
}

test('reads the colours that themes give, and refuses others', () => {
  for (const css of ['#1f8', '#11ff88', '#11ff88cc', 'rgb(17, 255, 136)', 'rgba(17 255 136 / 50%)']) {
    assert.deepEqual(parseColor(css), [17, 255, 136], css);
  }
  assert.equal(parseColor('transparent'), undefined);
});
