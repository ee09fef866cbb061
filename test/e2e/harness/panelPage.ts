// The panel in a real browser without a workbench, with a host that answers with made-up maps at once.
import type { Page } from 'playwright-core';
import { openPage } from './page';

/** Runs in the page: the panel with a host whose state the test sets by `step`. */
const entry = `
import { PanelSender } from './src/shared/panel/panelUpdates';
import { SyntheticHost } from './test/bench/syntheticHost';
import { startApp } from './webview/app';
import { createAblationSwitches } from './webview/components/ablationSwitches';
import { registerControls } from './webview/toolkit';
import './webview/style.css';

const synthetic = new SyntheticHost(64);
const listeners = new Map();
const fire = name => payload => listeners.get(name)?.(payload);
const sender = new PanelSender({ tokens: fire('tokens'), state: fire('state') });
let state = synthetic.state;
const nothing = { entropyBits: 1, meanDistance: 1, previousToken: 0, induction: 0, duplicateToken: 0, ownToken: 0, nearShare: 0,
  evenness: 0, sinkShare: 0, preConvChange: NaN, postConvChange: NaN, contextScore: 0, copying: 0 };
const size = 8;
const shape = { part: 'pre_softmax_conv', rows: 6, columns: 11, identityColumn: 5 };
const kernelValues = layerIdx => Float32Array.from({ length: 8 * 66 }, (_, i) => Math.sin(i * (layerIdx + 1)));
const host = {
  ...synthetic.asPanelHost(),
  on: (name, listener) => (listeners.set(name, listener), () => {}),
  async request(name, args, signal) {
    if (name === 'ready') return sender.start(state);
    if (name === 'setView') return void step({ view: args });
    if (name === 'setAblation') return void (globalThis.ablation = args);
    if (name === 'largestChanges') return [];
    if (name === 'kernels') {
      return [{ ...shape, values: kernelValues(args.layerIdx) }];
    }
    // From the identity to what the model has; layer 1 has none, that of layer 2 is damaged.
    if (name === 'kernelHistory') {
      if (args.layerIdx === 1) return null;
      if (args.layerIdx === 2) throw Object.assign(new Error('Cannot read kernel-history.safetensors.'), { code: 'bad-weights' });
      const snapshots = [0, 0.02, 1].map(share => {
        const values = kernelValues(args.layerIdx).map((value, i) => share * value + (1 - share) * (i % 66 === 60 ? 1 : 0));
        return [{ ...shape, values }];
      });
      return { steps: [0, 297, 4380], snapshots };
    }
    if (name === 'headMeasures') {
      return Array.from({ length: 8 }, (_, head) => {
        return { ...nothing, contextScore: ((head * (globalThis.swapMeasures ? 7 : 5) + args.layerIdx * 3) % 17) / 17, induction: head % 2 ? 0.2 : 0 };
      });
    }
    if (name === 'thumbnails') return { size, cells: new Int8Array(size * size * args.nHeads).fill(args.analysisId) };
    return synthetic.asPanelHost().request(name, args, signal);
  },
};
const switches = createAblationSwitches(ablation => (globalThis.requested = ablation));
/** Puts the boxes that switch parts off on the page, as they are with an ablation. */
globalThis.showSwitches = requested => {
  document.body.prepend(switches.element);
  switches.update({ panel: { ...state, ablation: { ...state.ablation, requested } } });
};
globalThis.start = tab => {
  registerControls();
  host.loadLayout = () => ({ tab });
  return startApp(document.getElementById('app'), host);
};
globalThis.step = async change => {
  const tokens = change.tokens === undefined ? state.tokens : change.tokens && { ...synthetic.state.tokens, labels: [...synthetic.state.tokens.labels] };
  state = { ...state, ...change, tokens };
  sender.send(state);
  for (let i = 0; i < 3; i++) await new Promise(resolve => requestAnimationFrame(resolve));
};
`;

export interface PanelPage {
  readonly page: Page;
  /** Changes the host's state and waits until the panel has drawn it. */
  step(change: object): Promise<unknown>;
  close(): Promise<void>;
}

/** @param tab the view to begin with. */
export async function openPanelPage(tab: string, viewport: { width: number; height: number }): Promise<PanelPage> {
  const { page, close } = await openPage(entry, { viewport });
  await page.evaluate(`start(${JSON.stringify(tab)})`);
  return { page, step: change => page.evaluate(`step(${JSON.stringify(change)})`), close };
}
