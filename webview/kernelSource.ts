/** The learned parts of a run's layers, requested from the host once. */

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
    const request = this.host.request('kernels', { analysisId, layerIdx });
    this.layers.set(layerIdx, request);
    // A failure is not kept: the next use asks again.
    request.catch(() => this.layers.get(layerIdx) === request && this.layers.delete(layerIdx));
    return request;
  }
}
