/** Measures and pictures of all heads of a run, layer by layer, each requested once. */

import type { MeasuredHead } from '../src/attention/headRanking';
import { maxThumbnails, type PanelState } from '../src/shared/panel/panelMessages';
import { Cancelled, type FailureData, toFailureData } from '../src/shared/tools/failure';
import type { Thumbnail } from './components/headCard';
import type { PanelHost } from './host';

export class HeadsLoader {
  failure: FailureData | null = null;
  layersMeasured = 0;
  /** Heads of the current run, and of the document's run before for layers that are still to come. */
  heads: readonly MeasuredHead[] = [];
  private analysisId = -1;
  /** What the measures are of: those of another document or model are not kept. */
  private subject = '';
  private layersWanted = 0;
  private readonly thumbnails = new Map<string, Thumbnail>();
  /** Heads whose picture is of the run before. */
  private readonly outdated = new Set<string>();
  private readonly requested = new Set<string>();
  private requests = new AbortController();
  private isMeasuring = false;

  constructor(
    private readonly host: Pick<PanelHost, 'request'>,
    private readonly onChange: () => void,
  ) {}

  /**
   * Measures what is ready of the shown run. After a text was run again, what was measured before stays until there is
   * something newer, so that the order of the heads does not jump.
   */
  show({ analysisId, layersDone, documentLabel, model, status }: PanelState): void {
    if (analysisId !== this.analysisId) {
      this.stop();
      this.analysisId = analysisId;
      this.layersMeasured = 0;
      this.failure = null;
      const subject = [documentLabel, model?.directory].join('\n');
      if (subject !== this.subject) this.forget();
      this.subject = subject;
      for (const key of this.thumbnails.keys()) this.outdated.add(key);
    }
    this.layersWanted = layersDone;
    // A run that ended early has no newer ones.
    if (status !== 'running' && status !== 'loading' && this.layersMeasured >= layersDone) this.dropOutdated();
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

  /** Whether what is known of a layer's heads is of the run before. */
  isOutdated(layerIdx: number): boolean {
    return layerIdx >= this.layersMeasured;
  }

  private forget(): void {
    this.heads = [];
    this.thumbnails.clear();
    this.outdated.clear();
  }

  private dropOutdated(): void {
    const current = this.heads.filter(({ layerIdx }) => !this.isOutdated(layerIdx));
    if (current.length !== this.heads.length) this.heads = current;
  }

  /** Asks for the picture of a head, and of those beside it, unless it is there. */
  async want(layerIdx: number, headIdx: number, nHeads: number): Promise<void> {
    const headStart = Math.floor(headIdx / maxThumbnails) * maxThumbnails;
    const key = `${layerIdx}/${headStart}`;
    const isCurrent = this.thumbnail(layerIdx, headIdx) && !this.outdated.has(`${layerIdx}/${headIdx}`);
    if (this.requested.has(key) || isCurrent) return;
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
        this.outdated.delete(`${layerIdx}/${headStart + i}`);
      }
      this.onChange();
    } catch {
      // A newer run took over, or the layer is not ready: requested again when next visible.
      if (analysisId === this.analysisId) this.requested.delete(key);
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
        const measured = values.map((value, headIdx) => ({ layerIdx, headIdx, values: value }));
        this.heads = [...this.heads.filter(head => head.layerIdx !== layerIdx), ...measured];
        this.layersMeasured++;
        this.onChange();
      }
    } catch (error) {
      const failure = toFailureData(error);
      if (!(error instanceof Cancelled) && failure.code !== 'no-analysis') {
        this.failure = failure;
        this.dropOutdated();
        this.onChange();
      }
    } finally {
      this.isMeasuring = false;
    }
  }
}
