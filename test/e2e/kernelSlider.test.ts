/** The slider that moves a kernel through its training, in a real browser without a workbench. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPanelPage, type PanelPage } from './harness/panelPage';

let panel: PanelPage;
let page: Page;

before(async () => {
  panel = await openPanelPage('heads', { width: 900, height: 900 });
  page = panel.page;
  await page.getByRole('tab', { name: 'Kernels', exact: true }).click();
});

after(() => panel?.close());

const slider = () => page.getByRole('slider', { name: 'In training' });
const title = () => page.locator('.kernel-detail h2').first();
const openKernel = (place: string) => page.locator('.card', { hasText: place }).first().click();

test('a kernel is shown as it was at each step: its weights, its kind, own tap and rest', async () => {
  await openKernel('L0 H3');
  await slider().waitFor();
  assert.equal(await slider().getAttribute('aria-valuetext'), await page.locator('.kernel-history-text').textContent());
  const seen = async () => [
    await slider().getAttribute('aria-valuetext'),
    await page.locator('.weight-table td.tap-own').getAttribute('title'),
    await title().textContent(),
  ];
  const end = await seen();
  assert.match(end[0]!, /^Step 4380 of 4380: \w+, own tap [+−][\d.]+, rest [\d.]+$/);
  await slider().focus();
  await page.keyboard.press('Home');
  await page.locator('.kernel-history-text', { hasText: 'Step 0 of 4380' }).waitFor();
  assert.deepEqual(await seen(), [
    'Step 0 of 4380: near-identity, own tap +1.000, rest 0',
    '+1.000',
    'near-identity: layer 0, head 3, before softmax',
  ]);
  await page.keyboard.press('ArrowRight');
  await page.locator('.kernel-history-text', { hasText: 'Step 297 of 4380: near-identity' }).waitFor();
  assert.ok(await slider().evaluate(element => element === document.activeElement), 'the slider keeps the focus');
  await page.keyboard.press('End');
  await page.locator('.kernel-history-text', { hasText: 'Step 4380' }).waitFor();
  assert.deepEqual(await seen(), end);
});

test('another kernel begins at its end; of a layer without snapshots there is no slider', async () => {
  await openKernel('L0 H3');
  await slider().focus();
  await page.keyboard.press('Home');
  await page.locator('.kernel-history-text', { hasText: 'Step 0' }).waitFor();
  await openKernel('L0 H5');
  await page.locator('.kernel-history-text', { hasText: 'Step 4380' }).waitFor();
  await openKernel('L1 H0');
  await title().filter({ hasText: 'layer 1, head 0' }).waitFor();
  await slider().waitFor({ state: 'hidden' });
  assert.equal(await page.locator('.kernel-history').isVisible(), false);
});

test('a damaged file is named in the place of the slider', async () => {
  await openKernel('L2 H0');
  await page.locator('.kernel-history-text', { hasText: 'Cannot read kernel-history.safetensors.' }).waitFor();
  assert.equal(await slider().count(), 0);
});
