/** A host that answers at once with made-up maps, so that what is measured in the browser is the panel alone. */

import { nothingInspected } from '../../src/analysis/panelState';
import type { ModelSummary, Predictions } from '../../src/shared/analysis';
import type { HeadOverview, MapAddress, Patch, PatchAddress, Tile, TileAddress } from '../../src/shared/attentionMap';
import type { PanelEvents, PanelState, PanelUpdate, View } from '../../src/shared/panel/panelMessages';
import type { PanelHost } from '../../webview/host';
import { Random } from '../random';

const nLayers = 8;
const nHeads = 8;
const overviewSize = 256;

export class SyntheticHost {
  state: PanelState;
  private readonly random = new Random(7);
  /** Most weights are small, as in real maps. */
  private readonly stock = Float32Array.from({ length: 1 << 16 }, () => (this.random.next() * 2 - 1) ** 9);
  private readonly listeners: ((update: PanelUpdate) => void)[] = [];

  constructor(
    private readonly nTokens: number,
    private readonly tab = 'map',
  ) {
    const stages = ['scores', 'convolved_scores', 'mixed_scores', 'pattern', 'mixed_pattern'] as const;
    const layers = Array.from({ length: nLayers }, (_, layerIdx) => ({
      ...{ layerIdx, stages, preSoftmaxKernel: [6, 11] as const, postSoftmaxKernel: null },
      kernels: { pre_softmax_conv: { rows: 6, columns: 11, identityColumn: 5 } },
    }));
    const model = { name: 'synthetic', directory: '', nLayers, nHeads, maxSeqlen: nTokens, layers };
    const window = { start: 0, end: nTokens * 4, documentLength: nTokens * 4 };
    this.state = {
      ...nothingInspected,
      ...{ status: 'done', analysisId: 1, documentLabel: 'synthetic.ts', provider: 'cpu', layersDone: nLayers },
      model: { ...model, dim: 512, vocabSize: 256, nParameters: 1 } as unknown as ModelSummary,
      ...{
        window,
        windowLines: { first: 1, last: 200, of: 200 },
        durationMs: 1,
      },
      tokens: {
        labels: Array.from({ length: nTokens }, (_, i) => (i % 9 === 8 ? '\n' : ` t${i % 97}`)),
        offsets: Uint32Array.from({ length: nTokens + 1 }, (_, i) => i * 4),
        surprisalBits: new Float32Array(nTokens).fill(3),
      },
      view: { layerIdx: 2, headIdx: 0, stage: 'mixed_pattern', difference: false },
    };
  }

  asPanelHost(): PanelHost {
    return {
      request: this.request.bind(this) as PanelHost['request'],
      on: ((name: keyof PanelEvents, listener: never) => {
        if (name === 'state') this.listeners.push(listener);
        return () => {};
      }) as PanelHost['on'],
      ...{
        hasTiles: true,
        holdsExact: () => true,
        hasMeasures: true,
        hasEditor: false,
        loadLayout: () => ({ tab: this.tab }),
        saveLayout: () => {},
      },
    };
  }

  /** What the host of the extension sends when the cursor moves to another token. */
  select(selectedToken: number): void {
    this.state = { ...this.state, selectedToken };
    for (const listener of this.listeners) listener({ selectedToken });
  }

  private async request(name: string, args: unknown): Promise<unknown> {
    switch (name) {
      case 'ready':
        return this.state;
      case 'overview':
        return this.overview(args as MapAddress);
      case 'tile':
        return this.tile(args as TileAddress);
      case 'patch':
        return this.patch(args as PatchAddress);
      case 'rangeWeights':
        return this.stock.slice(0, this.nTokens).map(value => (1 + value) / this.nTokens);
      case 'headMeasures':
      case 'kernels':
        return []; // what they show is not measured
      case 'setView':
        this.state = { ...this.state, view: args as View };
        return undefined;
      case 'predictions':
        return { k: 0, surprisalBits: this.state.tokens!.surprisalBits! } as Partial<Predictions>;
      default:
        return undefined;
    }
  }

  private overview({ layerIdx, headIdx, stage }: MapAddress): HeadOverview {
    const blockSize = Math.ceil(this.nTokens / overviewSize);
    const size = Math.ceil(this.nTokens / blockSize);
    const cells = Int8Array.from({ length: size * size }, () => this.random.below(255) - 127);
    return { layerIdx, headIdx, stage, nTokens: this.nTokens, blockSize, size, scale: 1, cells };
  }

  private tile({ layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys }: TileAddress): Tile {
    // Copied from a stock: making numbers up would be measured too.
    const values = this.stock.slice(0, nQueries * nKeys);
    return { layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys, values };
  }

  private patch({ queryStart, keyStart, nQueries, nKeys }: PatchAddress): Patch {
    const length = nHeads * nQueries * nKeys;
    const values = Float32Array.from({ length }, (_, i) => this.stock[i % this.stock.length]!);
    return { nHeads, queryStart, keyStart, nQueries, nKeys, values };
  }
}
