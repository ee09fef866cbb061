/** Reading maps and heads: zoom and scroll, fit, layouts by width, names of places. In a real browser without a workbench. */

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPanelPage, type PanelPage } from './harness/panelPage';

let panel: PanelPage;
let page: Page;

before(async () => {
  panel = await openPanelPage('map', { width: 300, height: 700 });
  page = panel.page;
  await page.locator('#panel-map canvas[data-source="tiles"]').waitFor();
});

afterEach(async () => {
  await page.mouse.move(0, 0);
  await page.setViewportSize({ width: 300, height: 700 });
});

after(() => panel?.close());

const cellSize = () => page.locator('#panel-map .map-canvas').evaluate(({ dataset }) => Number(dataset['cellSize']));
const untilCellSize = (isRight: (size: number) => boolean) =>
  page.waitForFunction(`(${isRight})(Number(document.querySelector('#panel-map .map-canvas').dataset.cellSize))`);
/** Puts the pointer in the middle of the map and returns where that is. */
async function pointAtMap(): Promise<{ x: number; y: number }> {
  const canvas = page.locator('#panel-map .map-canvas');
  await canvas.scrollIntoViewIfNeeded();
  const box = (await canvas.boundingBox())!;
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  await page.mouse.move(at.x, at.y);
  return at;
}

test('the wheel scrolls, with Ctrl it zooms', async () => {
  await page.setViewportSize({ width: 300, height: 420 });
  const fitting = await cellSize();
  await pointAtMap();
  const scrolled = () =>
    page.evaluate(() => [...document.querySelectorAll('*')].reduce((sum, element) => sum + element.scrollTop, 0));
  const top = await scrolled();
  await page.mouse.wheel(0, 60);
  await page.waitForFunction(
    from => [...document.querySelectorAll('*')].reduce((sum, element) => sum + element.scrollTop, 0) !== from,
    top,
  );
  assert.equal(await cellSize(), fitting);
  await pointAtMap();
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -400);
  await page.keyboard.up('Control');
  await page.waitForFunction(
    from => Number(document.querySelector<HTMLElement>('#panel-map .map-canvas')!.dataset['cellSize']) > 1.5 * from,
    fitting,
  );
  await page.locator('#panel-map .map-canvas').press('0');
  await untilCellSize(size => size < 10);
});

test('a word that is selected elsewhere is zoomed to; another text is fitted', async () => {
  const fitting = await cellSize();
  await panel.step({ selectedToken: 40 });
  await page.waitForFunction(
    from => Number(document.querySelector<HTMLElement>('#panel-map .map-canvas')!.dataset['cellSize']) > from,
    fitting,
  );
  await panel.step({ analysisId: 2, documentLabel: 'other.ts', selectedToken: null });
  await page.waitForFunction(
    from => Number(document.querySelector<HTMLElement>('#panel-map .map-canvas')!.dataset['cellSize']) === from,
    fitting,
  );
});

test('at 200 % zoom the map shows without scrolling, in the side bar and in an editor', async () => {
  for (const [width, height] of [
    [300, 400],
    [640, 400],
    [720, 450],
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.evaluate(() => {
      for (const element of document.querySelectorAll('*')) element.scrollTop = 0;
    });
    const seen = await page.locator('#panel-map .map-canvas').evaluate(canvas => {
      const { top, bottom, left, right } = canvas.getBoundingClientRect();
      return {
        height: Math.min(bottom, innerHeight) - Math.max(0, top),
        width: Math.min(right, innerWidth) - Math.max(0, left),
      };
    });
    assert.ok(seen.height >= 120 && seen.width >= 120, `${width} × ${height}: ${JSON.stringify(seen)}`);
  }
});

test('tabs stay on top; the inspector stands beside the map from 720 px on, and the heads before it from 900 px on', async () => {
  const box = async (selector: string) => (await page.locator(`${selector}:visible`).first().boundingBox())!;
  const tabs = await box('[role="tablist"]');
  const crumb = await box('.breadcrumb');
  assert.ok(tabs.y >= 0 && tabs.y < 40 && crumb.y >= tabs.y + tabs.height - 1, JSON.stringify({ tabs, crumb }));
  await page.setViewportSize({ width: 760, height: 700 });
  let [map, inspector] = [await box('#panel-map'), await box('.region-inspector')];
  assert.ok(
    inspector.x >= map.x + map.width - 1 && inspector.y < map.y + map.height,
    JSON.stringify({ map, inspector }),
  );
  await page.setViewportSize({ width: 960, height: 700 });
  [map, inspector] = [await box('#panel-map'), await box('.region-inspector')];
  const grid = await box('.heads-grid');
  assert.ok(
    grid.x + grid.width <= map.x + 1 && map.x + map.width <= inspector.x + 1,
    JSON.stringify({ grid, map, inspector }),
  );
});

test('no card moves from under the pointer while heads are measured; once it has left they are in order', async () => {
  await page.locator('#tab-heads').click();
  await page.waitForFunction(() => document.querySelectorAll('.head-card:not([data-value=""])').length === 64);
  const order = () =>
    page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('.head-card')]
        .map(({ style }) => style.getPropertyValue('order'))
        .join(),
    );
  await page.locator('.head-card[data-rank="1"]').hover();
  const before = await order();
  // A run with other measures: those of every layer arrive anew.
  await page.evaluate('globalThis.swapMeasures = true');
  await panel.step({ status: 'loading', analysisId: 9, layersDone: 0, tokens: null });
  await panel.step({ status: 'running', tokens: [], layersDone: 4 });
  await panel.step({ status: 'done', layersDone: 8 });
  await page.waitForFunction(() => document.querySelectorAll('.head-card.is-outdated').length === 0);
  assert.equal(await order(), before);
  await page.mouse.move(0, 0);
  await page.waitForFunction(
    from =>
      [...document.querySelectorAll<HTMLElement>('.head-card')]
        .map(({ style }) => style.getPropertyValue('order'))
        .join() !== from,
    before,
  );
});

test('a box under “Switch off” is checked where the part is off', async () => {
  await page.evaluate(`showSwitches({ scope: 'model', edits: [] })`);
  const box = page.getByRole('checkbox', { name: /^Switch off: .*, layer 2, all heads$/ });
  assert.equal(await box.getAttribute('aria-checked'), 'false');
  await box.click();
  const edits = [{ part: 'pre_softmax_conv', layerIdx: 2, headIdx: null, weights: null }];
  assert.deepEqual(await page.evaluate('requested'), { scope: 'model', edits });
  await page.evaluate('showSwitches(requested)');
  assert.equal(await box.getAttribute('aria-checked'), 'true');
  const own = page.getByRole('checkbox', { name: /^Switch off: .*, layer 2, head 0$/ });
  assert.deepEqual(
    [await own.getAttribute('aria-checked'), await own.getAttribute('aria-disabled')],
    ['true', 'true'],
    'the wider change covers it',
  );
  await box.click();
  assert.deepEqual(await page.evaluate('requested'), { scope: 'model', edits: [] });
});

// The last one: after a touch the page has no pointer that hovers.
test('a pinch zooms', async () => {
  await page.locator('#tab-map').click();
  const fitting = await cellSize();
  const { x, y } = await pointAtMap();
  const session = await page.context().newCDPSession(page);
  await session.send('Input.synthesizePinchGesture', { x, y, scaleFactor: 2, gestureSourceType: 'touch' });
  await page.waitForFunction(
    from => Number(document.querySelector<HTMLElement>('#panel-map .map-canvas')!.dataset['cellSize']) > 1.2 * from,
    fitting,
  );
});
