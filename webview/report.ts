/** Entry point of the exported page: the panel's app on data that is in the page. */

import { addRangeWeights } from '../src/attention/aggregate';
import type { Predictions } from '../src/shared/analysis';
import { effectiveStage, type HeadOverview, type MapAddress } from '../src/shared/attentionMap';
import type { PanelRequests, PanelState, PanelUpdate, RangeAddress, View } from '../src/shared/panel/panelMessages';
import { type ReportData, type ReportOverview, reportDataId } from '../src/shared/panel/report';
import { Failure } from '../src/shared/tools/failure';
import { startApp } from './app';
import type { PanelHost } from './host';
import { registerControls } from './toolkit';
import './style.css';

/** Answers what the extension host would, from the page; there are no exact values and no editor. */
class ReportHost {
  private readonly listeners: ((update: PanelUpdate) => void)[] = [];
  private state: PanelState;

  constructor(private readonly data: ReportData) {
    const { labels, offsets, surprisalBits } = data.tokens;
    const bits = Float32Array.from(surprisalBits, value => value ?? Number.NaN);
    this.state = { ...data.state, tokens: { labels, offsets: Uint32Array.from(offsets), surprisalBits: bits } };
  }

  async request(name: string, args: unknown): Promise<unknown> {
    switch (name) {
      case 'ready':
        return this.state;
      case 'overview':
        return this.overview(args as MapAddress);
      case 'setView':
        return this.update({ view: args as View });
      case 'selectToken': {
        const { tokenIdx, anchorIdx = null } = args as Parameters<PanelRequests['selectToken']>[0];
        return this.update({ selectedToken: tokenIdx, selectionAnchor: anchorIdx });
      }
      case 'predictions':
        return this.predictions();
      case 'rangeWeights':
        return this.rangeWeights(args as RangeAddress);
      default:
        throw new Failure(
          'not-in-report',
          'A report holds no exact values and has no editor. Open the document in VS Code.',
        );
    }
  }

  on(name: string, listener: (payload: never) => void): () => void {
    if (name === 'state') this.listeners.push(listener as (update: PanelUpdate) => void);
    return () => {};
  }

  private update(change: PanelUpdate): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener(change);
  }

  private predictions(): Predictions {
    const { k, topIds, topProbabilities, labels } = this.data.tokens.predictions;
    return {
      surprisalBits: this.state.tokens!.surprisalBits!,
      ...{ k, labels, topIds: Int32Array.from(topIds), topProbabilities: Float32Array.from(topProbabilities) },
    };
  }

  /** From the overview where it pools nothing; the mean of pooled values would not be the values' mean. */
  private async rangeWeights(address: RangeAddress): Promise<Float32Array> {
    const overview = await this.overview(address);
    if (overview.blockSize > 1) {
      throw new Failure(
        'not-in-report',
        'This report holds pooled maps only, its window is too long. Open the document in VS Code.',
      );
    }
    const { nTokens, cells, scale } = overview;
    const map = { queryStart: 0, nKeys: nTokens, values: Float32Array.from(cells, cell => (cell / 127) * scale) };
    const weights = new Float64Array(nTokens);
    addRangeWeights(weights, map, address.range, address.direction);
    return Float32Array.from(weights);
  }

  private async overview({ layerIdx, headIdx, stage }: MapAddress): Promise<HeadOverview> {
    const shown = effectiveStage(this.state.model!.layers[layerIdx]!.stages, stage);
    const found = this.data.overviews.find(overview => overview.layerIdx === layerIdx && overview.stage === shown);
    if (!found) throw new Failure('not-in-report', `The report holds no ${stage} of layer ${layerIdx}.`);
    const { size, blockSize, scales } = found;
    const cells = (await inflate(found)).slice(headIdx * size * size, (headIdx + 1) * size * size);
    const nTokens = this.data.tokens.labels.length;
    return { layerIdx, headIdx, stage, nTokens, blockSize, size, scale: scales[headIdx]!, cells };
  }
}

async function inflate({ cells }: ReportOverview): Promise<Int8Array> {
  const bytes = Uint8Array.from(atob(cells), character => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Int8Array(await new Response(stream).arrayBuffer());
}

const data = JSON.parse(document.getElementById(reportDataId)!.textContent!) as ReportData;
const host = new ReportHost(data);
registerControls();
void startApp(document.getElementById('app')!, {
  request: host.request.bind(host) as PanelHost['request'],
  on: host.on.bind(host) as PanelHost['on'],
  hasTiles: false,
  hasEditor: false,
  loadLayout: () => ({ tab: 'map' }),
  saveLayout: () => {},
});
