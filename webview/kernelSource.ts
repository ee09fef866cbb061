/** The learned parts of a run's layers, asked of the host once. */

import type { KernelWeights } from '../src/shared/kernels';
import type { PanelHost } from './host';

export class KernelSource {
  private analysisId = -1;
  private readonly layers = new Map<number, Promise<readonly KernelWeights[]>>();

  constructor(private readonly host: Pick<PanelHost, 'request'>) {}

  /** Of a layer that is ready. @throws Failure */
  layer(analysisId: number, layerIdx: number): Promise<readonly KernelWeights[]> {
    if (analysisId !== this.analysisId) this.layers.clear();
    this.analysisId = analysisId;
    const known = this.layers.get(layerIdx);
    if (known) return known;
    const asked = this.host.request('kernels', { analysisId, layerIdx });
    this.layers.set(layerIdx, asked);
    // A failure is not kept: the next use asks again.
    asked.catch(() => this.layers.get(layerIdx) === asked && this.layers.delete(layerIdx));
    return asked;
  }
}
