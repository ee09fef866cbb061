/** What the panel does while a text is run again, in a real browser: the heads keep their place, the reader keeps the focus. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPanelPage, type PanelPage } from './harness/panelPage';

let panel: PanelPage;
let page: Page;

before(async () => {
  panel = await openPanelPage('heads', { width: 300, height: 500 });
  page = panel.page;
});

after(() => panel?.close());

const step = (change: object) => panel.step(change);
/** A run of the same document from its beginning to its end, with a look after each step. */
async function runAgain(analysisId: number, look: (name: string) => Promise<void>): Promise<void> {
  await step({ status: 'loading', analysisId, layersDone: 0, tokens: null });
  await look('loading');
  await step({ status: 'running', tokens: [] });
  await look('running');
  for (const layersDone of [1, 3, 8]) {
    await step({ layersDone });
    await look(`${layersDone} layers`);
  }
  await step({ status: 'done' });
  await look('done');
}

/** What the reader sees of the heads: which, in which order, whether named and measured, how far scrolled, where the focus is. */
const seen = () =>
  page.evaluate(() => {
    const cards = [...document.querySelectorAll<HTMLElement>('.head-card')].filter(card => card.offsetParent !== null);
    const { layer, head } = (document.activeElement as HTMLElement).dataset;
    return JSON.stringify({
      cards: cards
        .sort((a, b) => Number(a.style.order) - Number(b.style.order))
        .map(({ dataset }) => [dataset['layer'], dataset['head'], dataset['kind'], dataset['rank']]),
      focus: [layer, head],
      scroll: document.querySelector('.region-grid > .tab-panel:not([hidden])')!.scrollTop,
      nPictures: cards.filter(card => card.querySelector('canvas')!.width > 1).length > 0,
    });
  });

test('the heads stay in order, filtered, scrolled and focused; old figures are marked until there are new ones', async () => {
  await page.waitForFunction(() => document.querySelectorAll('.head-card:not([data-value=""])').length === 64);
  await page.getByRole('combobox', { name: 'Kind', exact: true }).click();
  await page.getByRole('option', { name: /^Induction/ }).click();
  await page.waitForFunction(() => document.querySelectorAll('.head-card:not([hidden])').length === 32);
  const chosen = page.locator('.head-card[data-kind="induction"][data-layer="5"][data-head="3"]');
  await chosen.focus();
  await page.waitForFunction(
    () => document.querySelector<HTMLCanvasElement>('.head-card:not([hidden]) canvas')!.width > 1,
  );
  const before = await seen();
  assert.match(before, /"focus":\["5","3"\]/);
  const place = async () => (await chosen.boundingBox())!.y;
  const [y, nOutdated] = [await place(), [] as number[]];
  await runAgain(2, async name => {
    assert.equal(await seen(), before, name);
    const moved = Math.abs((await place()) - y);
    assert.ok(moved <= 8, `${name}: the card has moved by ${moved} px`);
    nOutdated.push(await page.locator('.head-card.is-outdated').count());
  });
  assert.deepEqual(nOutdated, [0, 64, 56, 40, 0, 0]);
  assert.match((await chosen.getAttribute('title')) ?? '', /^Layer 5, head 3: Induction/);
});

test('the map on screen is held and keeps the focus; what is pressed on it names no token of the run before', async () => {
  const canvas = page.locator('#panel-map .map-canvas');
  await canvas.waitFor();
  await canvas.focus();
  const held: boolean[] = [];
  await runAgain(3, async name => {
    held.push(await page.locator('#panel-map.is-held[aria-busy="true"]').isVisible());
    assert.ok(await canvas.evaluate(element => document.activeElement === element), name);
    assert.equal(await page.locator('[inert]').count(), 0, name);
  });
  // The map in view is of layer 2.
  assert.deepEqual(held, [true, true, true, false, false, false]);
});
