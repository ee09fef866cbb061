/** Measures and pictures of all heads of a run, layer by layer, each requested once. */

import type { MeasuredHead } from '../src/attention/headRanking';
import { maxThumbnails, type PanelState } from '../src/shared/panel/panelMessages';
import { Cancelled, type FailureData, toFailureData } from '../src/shared/tools/failure';
import type { Thumbnail } from './components/headCard';
import type { PanelHost } from './host';

export class HeadsLoader {
  heads: MeasuredHead[] = [];
  failure: FailureData | null = null;
  layersMeasured = 0;
  private analysisId = -1;
  private layersWanted = 0;
  private readonly thumbnails = new Map<string, Thumbnail>();
  private readonly requested = new Set<string>();
  private requests = new AbortController();
  private isMeasuring = false;

  constructor(
    private readonly host: Pick<PanelHost, 'request'>,
    private readonly onChange: () => void,
  ) {}

  /** Measures what is ready of the shown run; another run starts afresh. */
  show({ analysisId, layersDone }: PanelState): void {
    if (analysisId !== this.analysisId) {
      this.stop();
      this.analysisId = analysisId;
      this.heads = [];
      this.layersMeasured = 0;
      this.failure = null;
      this.thumbnails.clear();
      this.requested.clear();
    }
    this.layersWanted = layersDone;
    if (!this.isMeasuring && !this.failure) void this.measure();
  }

  /** Nobody looks: what is under way is aborted and taken up again by the next `show`. */
  stop(): void {
    this.requests.abort();
    this.requests = new AbortController();
    this.requested.clear();
  }

  thumbnail(layerIdx: number, headIdx: number): Thumbnail | null {
    return this.thumbnails.get(`${layerIdx}/${headIdx}`) ?? null;
  }

  /** Asks for the picture of a head, and of those beside it, unless it is there. */
  async want(layerIdx: number, headIdx: number, nHeads: number): Promise<void> {
    const headStart = Math.floor(headIdx / maxThumbnails) * maxThumbnails;
    const key = `${layerIdx}/${headStart}`;
    if (this.requested.has(key) || this.thumbnail(layerIdx, headIdx)) return;
    this.requested.add(key);
    const { analysisId } = this;
    const count = Math.min(maxThumbnails, nHeads - headStart);
    try {
      const args = { analysisId, layerIdx, headStart, nHeads: count };
      const { size, cells } = await this.host.request('thumbnails', args, this.requests.signal);
      if (analysisId !== this.analysisId) return;
      for (let i = 0; i < count; i++) {
        const picture = { size, cells: cells.subarray(i * size * size, (i + 1) * size * size) };
        this.thumbnails.set(`${layerIdx}/${headStart + i}`, picture);
      }
      this.onChange();
    } catch {
      this.requested.delete(key); // a newer run took over, or the layer is not ready: requested again when next visible
    }
  }

  private async measure(): Promise<void> {
    this.isMeasuring = true;
    try {
      while (this.layersMeasured < this.layersWanted) {
        const { analysisId, layersMeasured: layerIdx } = this;
        const { signal } = this.requests;
        const values = await this.host.request('headMeasures', { analysisId, layerIdx }, signal);
        if (analysisId !== this.analysisId) continue;
        this.heads = [...this.heads, ...values.map((value, headIdx) => ({ layerIdx, headIdx, values: value }))];
        this.layersMeasured++;
        this.onChange();
      }
    } catch (error) {
      const failure = toFailureData(error);
      if (!(error instanceof Cancelled) && failure.code !== 'no-analysis') {
        this.failure = failure;
        this.onChange();
      }
    } finally {
      this.isMeasuring = false;
    }
  }
}
