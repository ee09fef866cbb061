/** The learned parts of a run's layers, and those of earlier training steps, requested from the host once. */

import type { KernelHistory, KernelWeights } from '../src/shared/kernels';
import type { PanelHost } from './host';

export class KernelSource {
  private analysisId = -1;
  private readonly layers = new Map<number, Promise<readonly KernelWeights[]>>();
  private readonly histories = new Map<number, Promise<KernelHistory | null>>();

  constructor(private readonly host: Pick<PanelHost, 'request'>) {}

  /** Of a layer that is ready. @throws Failure */
  layer(analysisId: number, layerIdx: number): Promise<readonly KernelWeights[]> {
    this.changeRun(analysisId);
    return once(this.layers, layerIdx, () => this.host.request('kernels', { analysisId, layerIdx }));
  }

  /** Null where the model brings none. @throws Failure */
  history(analysisId: number, layerIdx: number): Promise<KernelHistory | null> {
    this.changeRun(analysisId);
    return once(this.histories, layerIdx, () => this.host.request('kernelHistory', { analysisId, layerIdx }));
  }

  private changeRun(analysisId: number): void {
    if (analysisId === this.analysisId) return;
    this.analysisId = analysisId;
    this.layers.clear();
    this.histories.clear();
  }
}

/** A failure is not kept: the next use asks again. */
function once<T>(known: Map<number, Promise<T>>, layerIdx: number, ask: () => Promise<T>): Promise<T> {
  const found = known.get(layerIdx);
  if (found) return found;
  const request = ask();
  known.set(layerIdx, request);
  request.catch(() => known.get(layerIdx) === request && known.delete(layerIdx));
  return request;
}
