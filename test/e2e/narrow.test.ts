/** The panel at 300 px, in a real browser: nothing wraps, grows, or touches what stands below it. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPanelPage, type PanelPage } from './harness/panelPage';

let panel: PanelPage;
let page: Page;

before(async () => {
  panel = await openPanelPage('heads', { width: 300, height: 700 });
  page = panel.page;
});

after(() => panel?.close());

/** Where the cards on screen are, and in how many lines their names stand. */
const cards = () =>
  page.locator('.head-card').evaluateAll(elements =>
    elements.flatMap(element => {
      const { x, y, width, height } = element.getBoundingClientRect();
      if (y + height < 0 || y > innerHeight) return [];
      const { layer, head } = (element as HTMLElement).dataset;
      const text = document.createRange();
      text.selectNodeContents(element.querySelector('.head-name')!);
      const nLines = new Set(Array.from(text.getClientRects(), rect => Math.round(rect.y))).size;
      return [{ name: `L${layer}H${head}`, x, y, width, height, nLines }];
    }),
  );

test('B11: choosing a head moves no card of the grid, and its name stays in one line', async () => {
  await page.waitForFunction(() => document.querySelectorAll('.head-card:not([data-value=""])').length === 64);
  await page.waitForFunction(() => document.querySelector<HTMLCanvasElement>('.head-card canvas')!.width > 1);
  const before = await cards();
  assert.ok(before.length > 3, `${before.length} cards on screen`);
  const current = await page.locator('.head-card[aria-current="true"]').boundingBox();
  const inAnotherRow = before.find(({ y }) => y > 0 && Math.abs(y - (current?.y ?? -1)) > 9)!;
  const [, layer, head] = /L(\d+)H(\d+)/.exec(inAnotherRow.name)!;
  const chosen = page.locator(`.head-card[data-layer="${layer}"][data-head="${head}"]`);
  // Not by the mouse, under which a card changes, too.
  await chosen.evaluate(card => (card as HTMLElement).click());
  await chosen.and(page.locator('[aria-current="true"]')).waitFor();
  assert.deepEqual(await cards(), before);
  assert.ok(before.every(({ nLines }) => nLines === 1));
});

test('B11: what is said of a cell stands clear of the captions below it', async () => {
  await page.locator('#tab-stages').click();
  const map = page.locator('#panel-stages .map-canvas').first();
  await map.focus();
  await map.press('ArrowDown');
  const line = page.locator('#panel-stages .cell-line');
  await line.filter({ hasText: /\S/ }).waitFor();
  const said = (await line.boundingBox())!;
  const captions = await page.locator('#panel-stages figcaption:visible').all();
  assert.ok(captions.length >= 2);
  for (const caption of captions) {
    const box = (await caption.boundingBox())!;
    const clear = box.y - (said.y + said.height);
    assert.ok(clear >= 4, `${clear} px between the line on the cell and ${await caption.textContent()}`);
  }
});

test('the kernel between two stages opens its own details, in view, and is turned off from there', async () => {
  await page.locator('#tab-map').click();
  const [layer, head] = await page
    .locator('#panel-map .map-canvas')
    .evaluate(({ dataset }) => [dataset['layer'], dataset['head']]);
  await page.locator('#panel-map .stage-kernel').first().click();
  const detail = page.locator('.kernel-detail');
  await detail.filter({ hasText: `layer ${layer}, head ${head}, before softmax` }).waitFor();
  const off = page.getByRole('button', { name: 'Show what the model predicts without it' });
  await page.waitForFunction(element => element!.getBoundingClientRect().top < innerHeight, await off.elementHandle());
  await off.click();
  const edit = { part: 'pre_softmax_conv', layerIdx: Number(layer), headIdx: Number(head), weights: null };
  assert.deepEqual(await page.evaluate('ablation'), { scope: 'model', edits: [edit] });
});

test('the breadcrumb has room for layer, head and most of the stage', async () => {
  const room = (field: string) =>
    page.locator(`.breadcrumb .field-${field} vscode-dropdown`).evaluate(dropdown => {
      const value = dropdown.shadowRoot!.querySelector('.selected-value')!;
      return { has: value.clientWidth, needs: value.scrollWidth };
    });
  for (const field of ['layer', 'head']) {
    const { has, needs } = await room(field);
    assert.ok(has >= needs, `${field}: ${has} px of ${needs}`);
  }
  const { has } = await room('stage');
  assert.ok(has >= 60, `${has} px for the stage`);
});
