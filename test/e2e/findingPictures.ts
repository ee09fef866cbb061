// Pictures of docs/findings.md: kernels at some steps of their training, drawn and described by the panel's own code.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyFile, readKernelHistory } from '../../src/inference/runtime/kernelHistory';
import { indexedPng } from '../fixtures/indexedPng';
import { root } from '../fixtures/paths';
import { smollmConfig, smollmHistory } from '../fixtures/smollm';
import { openPage } from './harness/page';

/** Most diagonal kernels, an edge, and one that hardly changed. */
const heads = [
  [18, 7],
  [18, 6],
  [18, 8],
  [22, 7],
] as const;
/** Snapshots of the twelve. */
const shown = [0, 1, 3, 5, 11];

const entry = `
import { entriesOf } from './webview/kernelGallery';
import { describeSnapshot, snapshotsOf } from './webview/kernelHistory';
import { matrixPicture } from './webview/components/matrixPicture';
import { h } from './webview/dom';
import { readTheme } from './webview/theme';
import './webview/style.css';

globalThis.draw = (histories, heads, shown) => {
  const app = document.getElementById('app');
  app.style.cssText = 'display: grid; align-content: start; min-height: 0; height: max-content; grid-template-columns: repeat(' + shown.length + ', 176px); gap: 14px; padding: 14px;'
    + 'width: max-content; background: #fff; color: #1f1f1f; font: 12px system-ui, sans-serif;';
  for (const [layerIdx, headIdx] of heads) {
    const stored = histories[layerIdx];
    const history = { steps: stored.steps, snapshots: stored.snapshots.map(kernels =>
      kernels.map(kernel => ({ ...kernel, values: Float32Array.from(kernel.values) }))) };
    const key = layerIdx + '/pre_softmax_conv/' + headIdx;
    const last = entriesOf(layerIdx, history.snapshots.at(-1)).find(each => each.key === key);
    const snapshots = snapshotsOf(last, history);
    for (const position of shown) {
      const picture = matrixPicture(snapshots[position].entry, readTheme('redBlue'));
      picture.style.cssText += 'width: 176px; image-rendering: pixelated; outline: 1px solid #ccc;';
      const [when, what] = describeSnapshot(snapshots, position, headIdx).split(': ');
      app.append(h('figure', { style: 'margin: 0' }, picture,
        h('figcaption', { style: 'margin-top: 4px' }, h('b', {}, 'L' + layerIdx + 'H' + headIdx + ', ' + when), h('br'), what)));
    }
  }
};
`;

export async function makeFindingPictures(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'mta-findings-'));
  copyFileSync(smollmHistory, join(directory, historyFile));
  const { page, close } = await openPage(entry, { viewport: { width: 1000, height: 900 } });
  try {
    const histories: Record<number, unknown> = {};
    for (const [layerIdx] of heads) {
      const history = (await readKernelHistory({ directory, config: smollmConfig }, layerIdx))!;
      const snapshots = history.snapshots.map(kernels => kernels.map(k => ({ ...k, values: Array.from(k.values) })));
      histories[layerIdx] = { steps: history.steps, snapshots };
    }
    await page.evaluate(`draw(${JSON.stringify(histories)}, ${JSON.stringify(heads)}, ${JSON.stringify(shown)})`);
    const picture = await page.locator('#app').screenshot();
    writeFileSync(join(root, 'docs', 'pictures', 'kernels-in-training.png'), indexedPng(picture));
  } finally {
    await close();
    rmSync(directory, { recursive: true, force: true });
  }
}
