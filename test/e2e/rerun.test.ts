/** What the panel does while a text is run again, in a real browser: the heads keep their place, the reader keeps the focus. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPage } from './harness/page';

/** Runs in the page: the panel with a host whose state the test sets. */
const entry = `
import { PanelSender } from './src/shared/panel/panelUpdates';
import { SyntheticHost } from './test/bench/syntheticHost';
import { startApp } from './webview/app';
import { registerControls } from './webview/toolkit';
import './webview/style.css';

const synthetic = new SyntheticHost(64, 'heads');
const listeners = new Map();
const fire = name => payload => listeners.get(name)?.(payload);
const sender = new PanelSender({ tokens: fire('tokens'), state: fire('state') });
let state = synthetic.state;
const nothing = { entropyBits: 1, meanDistance: 1, previousToken: 0, induction: 0, duplicateToken: 0, ownToken: 0, nearShare: 0,
  evenness: 0, sinkShare: 0, preConvChange: NaN, postConvChange: NaN, contextScore: 0, copying: 0 };
const size = 8;
const host = {
  ...synthetic.asPanelHost(),
  on: (name, listener) => (listeners.set(name, listener), () => {}),
  async request(name, args, signal) {
    if (name === 'ready') return sender.start(state);
    if (name === 'headMeasures') {
      return Array.from({ length: 8 }, (_, head) => {
        return { ...nothing, contextScore: ((head * 5 + args.layerIdx * 3) % 17) / 17, induction: head % 2 ? 0.2 : 0 };
      });
    }
    if (name === 'thumbnails') return { size, cells: new Int8Array(size * size * args.nHeads).fill(args.analysisId) };
    return synthetic.asPanelHost().request(name, args, signal);
  },
};
globalThis.start = () => (registerControls(), startApp(document.getElementById('app'), host));
globalThis.step = async change => {
  const tokens = change.tokens === undefined ? state.tokens : change.tokens && { ...synthetic.state.tokens, labels: [...synthetic.state.tokens.labels] };
  state = { ...state, ...change, tokens };
  sender.send(state);
  for (let i = 0; i < 3; i++) await new Promise(resolve => requestAnimationFrame(resolve));
};
`;

let page: Page;
let close: () => Promise<void>;

before(async () => {
  ({ page, close } = await openPage(entry, { viewport: { width: 300, height: 500 } }));
  await page.evaluate('start()');
});

after(() => close?.());

const step = (change: object) => page.evaluate(`step(${JSON.stringify(change)})`);
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
