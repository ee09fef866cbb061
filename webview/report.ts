/** Entry point of the exported page: the panel's app on data that is in the page. */

import { addRangeWeights } from '../src/attention/aggregate';
import { poolOverview } from '../src/attention/thumbnails';
import type { HeadRef } from '../src/shared/address';
import type { Predictions } from '../src/shared/analysis';
import {
  effectiveStage,
  type HeadOverview,
  type MapAddress,
  type Tile,
  type TileAddress,
} from '../src/shared/attentionMap';
import type { HeadMeasures } from '../src/shared/headMeasures';
import type { Stage } from '../src/shared/operators';
import type { PanelRequests, PanelState, PanelUpdate, RangeAddress, View } from '../src/shared/panel/panelMessages';
import { type ReportData, type ReportMap, reportDataId } from '../src/shared/panel/report';
import { Failure } from '../src/shared/tools/failure';
import { startApp } from './app';
import type { PanelHost } from './host';
import { registerControls } from './toolkit';
import './style.css';

/** Answers what the extension host would, from the page; there is no editor. */
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
      case 'tile':
        return this.tile(args as TileAddress);
      case 'headMeasures':
        return this.headMeasures(args as Parameters<PanelRequests['headMeasures']>[0]);
      case 'thumbnails':
        return this.thumbnails(args as Parameters<PanelRequests['thumbnails']>[0]);
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
        throw new Failure('not-in-report', 'A report has no model and no editor. Open the document in VS Code.');
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

  holdsExact({ layerIdx, headIdx }: HeadRef): boolean {
    return this.data.maps.some(map => map.layerIdx === layerIdx && map.headIdx === headIdx);
  }

  /** Rows up to the diagonal; masked cells are 0. */
  private async tile(address: TileAddress): Promise<Tile> {
    const { layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys } = address;
    const shown = this.stageOf(layerIdx, stage);
    const found = this.data.maps.find(
      map => map.layerIdx === layerIdx && map.headIdx === headIdx && map.stage === shown,
    );
    if (!found) {
      const [held] = this.data.maps;
      const which = held ? `of layer ${held.layerIdx}, head ${held.headIdx} only` : 'of no head, its range is too long';
      throw new Failure('not-in-report', `This report holds exact values ${which}. Open the document in VS Code.`);
    }
    const cells = await this.cellsOf(found);
    const values = new Float32Array(nQueries * nKeys);
    for (let row = 0; row < nQueries; row++) {
      const query = queryStart + row;
      const start = (query * (query + 1)) / 2;
      const end = Math.max(keyStart, Math.min(keyStart + nKeys, query + 1));
      values.set(cells.subarray(start + keyStart, start + end), row * nKeys);
    }
    return { ...address, values };
  }

  private readonly inflated = new Map<string, Promise<Float32Array>>();
  private cellsOf({ cells, stage }: ReportMap): Promise<Float32Array> {
    const known = this.inflated.get(stage) ?? inflate(cells).then(buffer => new Float32Array(buffer));
    this.inflated.set(stage, known);
    return known;
  }

  private headMeasures({ layerIdx }: { readonly layerIdx: number }): readonly HeadMeasures[] {
    return (this.data.measures[layerIdx] ?? []).map(
      head =>
        Object.fromEntries(
          Object.entries(head).map(([name, value]) => [name, value ?? Number.NaN]),
        ) as unknown as HeadMeasures,
    );
  }

  private async thumbnails({ layerIdx, headStart, nHeads }: Parameters<PanelRequests['thumbnails']>[0]) {
    const last = this.data.overviews.findLast(overview => overview.layerIdx === layerIdx)!;
    const overview = {
      ...last,
      scales: Float32Array.from(last.scales),
      cells: new Int8Array(await inflate(last.cells)),
    };
    return poolOverview(overview, headStart, nHeads);
  }

  private stageOf(layerIdx: number, stage: Stage): Stage {
    return effectiveStage(this.state.model!.layers[layerIdx]!.stages, stage);
  }

  /** From the overview where it pools nothing; the mean of pooled values would not be the values' mean. */
  private async rangeWeights(address: RangeAddress): Promise<Float32Array> {
    const { range, direction } = address;
    const nAll = this.data.tokens.labels.length;
    if (this.holdsExact(address)) {
      const whole = { queryStart: 0, keyStart: 0, nQueries: nAll, nKeys: nAll };
      const sums = new Float64Array(nAll);
      addRangeWeights(sums, await this.tile({ ...address, ...whole }), range, direction);
      return Float32Array.from(sums);
    }
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
    addRangeWeights(weights, map, range, direction);
    return Float32Array.from(weights);
  }

  private async overview({ layerIdx, headIdx, stage }: MapAddress): Promise<HeadOverview> {
    const shown = this.stageOf(layerIdx, stage);
    const found = this.data.overviews.find(overview => overview.layerIdx === layerIdx && overview.stage === shown);
    if (!found) throw new Failure('not-in-report', `The report holds no ${stage} of layer ${layerIdx}.`);
    const { size, blockSize, scales } = found;
    const cells = new Int8Array(await inflate(found.cells)).slice(headIdx * size * size, (headIdx + 1) * size * size);
    const nTokens = this.data.tokens.labels.length;
    return { layerIdx, headIdx, stage, nTokens, blockSize, size, scale: scales[headIdx]!, cells };
  }
}

async function inflate(cells: string): Promise<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(cells), character => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Response(stream).arrayBuffer();
}

const data = JSON.parse(document.getElementById(reportDataId)!.textContent!) as ReportData;
const host = new ReportHost(data);
registerControls();
void startApp(document.getElementById('app')!, {
  request: host.request.bind(host) as PanelHost['request'],
  on: host.on.bind(host) as PanelHost['on'],
  hasTiles: false,
  holdsExact: host.holdsExact.bind(host),
  hasMeasures: data.measures.length > 0,
  hasEditor: false,
  loadLayout: () => ({ tab: 'map' }),
  saveLayout: () => {},
});
