import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenToMap, type MapGestures } from '../../../../webview/components/mapInput';
import { Random } from '../../../random';

/** What `listenToMap` needs of a canvas, and what the reader's hands were taken to mean. */
class FakeCanvas extends EventTarget {
  readonly heard: unknown[][] = [];

  constructor() {
    super();
    const hear =
      (name: string) =>
      (...args: unknown[]) =>
        void this.heard.push([name, ...args]);
    const gestures = Object.fromEntries(
      ['hover', 'click', 'pan', 'zoom', 'fit', 'step', 'select', 'clear'].map(name => [name, hear(name)]),
    );
    listenToMap(this as unknown as HTMLElement, gestures as unknown as MapGestures);
  }

  setPointerCapture(): void {}

  /** @returns whether the event was taken, so that the page does not act on it too. */
  send(type: string, properties: object): boolean {
    return !this.dispatchEvent(Object.assign(new Event(type, { cancelable: true }), properties));
  }

  point(type: string, x: number, y: number, button = 0): void {
    this.send(type, { button, pointerId: 1, clientX: x, clientY: y, offsetX: x - 100, offsetY: y - 50 });
  }
}

const keys: [Record<string, unknown>, unknown[] | null][] = [
  [{ key: 'ArrowUp' }, ['step', -1, 0]],
  [{ key: 'ArrowDown' }, ['step', 1, 0]],
  [{ key: 'ArrowLeft', shiftKey: true }, ['step', 0, -10]],
  [{ key: 'ArrowRight', shiftKey: true }, ['step', 0, 10]],
  [{ key: '+' }, ['zoom', 1.5]],
  [{ key: '-' }, ['zoom', 1 / 1.5]],
  [{ key: '0' }, ['fit']],
  [{ key: 'Enter' }, ['select']],
  [{ key: ' ' }, ['select']],
  [{ key: 'Escape' }, ['clear']],
  [{ key: 'Tab' }, null],
  [{ key: 'a' }, null],
  [{ key: '0', ctrlKey: true }, null],
  [{ key: 'ArrowUp', altKey: true }, null],
];
for (const [event, meant] of keys) {
  test(`the key ${JSON.stringify(event)} ${meant ? `means ${meant.join(' ')}` : 'is left to the editor'}`, () => {
    const canvas = new FakeCanvas();
    assert.equal(canvas.send('keydown', event), meant !== null);
    assert.deepEqual(canvas.heard, meant ? [meant] : []);
  });
}

test('a pointer that hardly moves while down clicks, at its place on the canvas', () => {
  const canvas = new FakeCanvas();
  canvas.point('pointerdown', 150, 80);
  canvas.point('pointermove', 152, 81);
  canvas.point('pointerup', 152, 81);
  assert.deepEqual(canvas.heard, [['click', 52, 31]]);
});

test('a pointer that moves while down moves the map as far as itself, and does not click', () => {
  const random = new Random(9);
  for (let round = 0; round < 50; round++) {
    const canvas = new FakeCanvas();
    canvas.point('pointerdown', 0, 0);
    let [x, y] = [20, 0];
    for (let step = 0; step < 10; step++) {
      canvas.point('pointermove', x, y);
      [x, y] = [x + random.below(30) - 15, y + random.below(30) - 15];
    }
    canvas.point('pointermove', x, y);
    canvas.point('pointerup', x, y);
    const pans = canvas.heard.filter(([name]) => name === 'pan') as [string, number, number][];
    assert.deepEqual([pans.reduce((sum, pan) => sum + pan[1], 0), pans.reduce((sum, pan) => sum + pan[2], 0)], [x, y]);
    assert.ok(!canvas.heard.some(([name]) => name === 'click'));
  }
});

test('other buttons and cancelled touches do nothing; without a button the pointer hovers', () => {
  const canvas = new FakeCanvas();
  canvas.point('pointerdown', 150, 80, 2);
  canvas.point('pointerup', 150, 80, 2);
  canvas.point('pointerdown', 150, 80);
  canvas.point('pointercancel', 150, 80);
  canvas.point('pointerup', 150, 80);
  assert.equal(canvas.heard.length, 0);
  canvas.point('pointermove', 160, 90);
  canvas.point('pointerleave', 160, 90);
  assert.deepEqual(canvas.heard, [
    ['hover', { x: 60, y: 40 }],
    ['hover', null],
  ]);
});

(globalThis as Record<string, unknown>)['WheelEvent'] ??= { DOM_DELTA_LINE: 1 };

test('the wheel alone scrolls the page; with Ctrl or Cmd, as a pinch comes, it zooms and the page stays', () => {
  const canvas = new FakeCanvas();
  const wheel = (deltaY: number, keys: object = {}) =>
    canvas.send('wheel', { deltaY, deltaMode: 0, offsetX: 30, offsetY: 40, ctrlKey: false, metaKey: false, ...keys });
  for (const deltaY of [-100, 100, 4]) assert.equal(wheel(deltaY), false);
  assert.equal(canvas.heard.length, 0);
  for (const keys of [{ ctrlKey: true }, { metaKey: true }]) {
    assert.equal(wheel(-100, keys), true);
    const [name, factor, x, y] = canvas.heard.at(-1)!;
    assert.deepEqual([name, x, y], ['zoom', 30, 40]);
    assert.ok((factor as number) > 1 && (factor as number) < 1.5);
    wheel(100, keys);
    assert.ok((canvas.heard.at(-1)![1] as number) < 1);
  }
});

test('two fingers zoom by how far apart they are, about their middle, and click nothing', () => {
  const canvas = new FakeCanvas();
  const touch = (type: string, pointerId: number, x: number, y: number) =>
    canvas.send(type, { button: 0, pointerType: 'touch', pointerId, clientX: x, clientY: y, offsetX: x, offsetY: y });
  touch('pointerdown', 1, 100, 100);
  touch('pointerdown', 2, 200, 100);
  touch('pointermove', 2, 300, 100);
  touch('pointermove', 1, 50, 100);
  touch('pointerup', 2, 300, 100);
  touch('pointermove', 1, 60, 100);
  touch('pointerup', 1, 60, 100);
  const zooms = canvas.heard.filter(([name]) => name === 'zoom');
  assert.deepEqual(zooms, [
    ['zoom', 2, 200, 100],
    ['zoom', 1.25, 175, 100],
  ]);
  assert.ok(!canvas.heard.some(([name]) => name === 'click' || name === 'pan'));
  // A finger alone still clicks.
  touch('pointerdown', 3, 20, 30);
  touch('pointerup', 3, 20, 30);
  assert.deepEqual(canvas.heard.at(-1), ['click', 20, 30]);
});
