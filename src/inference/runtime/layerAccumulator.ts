/** Collects the strongest keys and the pooled maps of a layer over its bands. */

import { type LayerPlan, streamedStages } from '../../graph/layerPlan';
import type { TopKeys } from '../../shared/analysis';
import type { Stage } from '../../shared/operators';
import type { Band } from './bands';
import type { BlockResult, KnownRows } from './block';
import { copyPooled, emptyPooledMap, type PooledMap, quantize, writePooled } from './overviews';
import type { Value } from './session';
import { copyTopKeys, emptyTopKeys, writeTopKeys } from './topKeyRows';

export class LayerAccumulator {
  private readonly topKeys: TopKeys;
  private readonly pooled: ReadonlyMap<Stage, PooledMap>;

  constructor(
    plan: LayerPlan,
    private readonly nTokens: number,
    private readonly blockSize: number,
    topK: number,
  ) {
    const { nHeads } = plan;
    this.topKeys = emptyTopKeys(nHeads, nTokens, topK);
    this.pooled = new Map(streamedStages(plan).map(stage => [stage, emptyPooledMap(nHeads, nTokens, blockSize)]));
  }

  /** Takes over the first rows of another run's layer. */
  async takeOver({ layer, nRows }: KnownRows): Promise<void> {
    copyTopKeys(layer.topKeys, this.topKeys, layer.hidden.dims[1]!, this.nTokens, nRows);
    const known = await layer.pooled();
    for (const [stage, map] of this.pooled) copyPooled(known.get(stage)!, map, nRows);
  }

  /** Adds a band. @param pooledOf [1, head, I, J] of a stage, the i-th streamed one. */
  add(band: Band, indices: Value, weights: Value, pooledOf: (stage: Stage, i: number) => Value): void {
    writeTopKeys(this.topKeys, this.nTokens, band, indices, weights);
    for (const [i, [stage, map]] of [...this.pooled].entries()) writePooled(map, band, pooledOf(stage, i));
  }

  result(): Pick<BlockResult, 'topKeys' | 'overviews' | 'blockSize' | 'pooled'> {
    const { topKeys, blockSize, pooled } = this;
    const overviews = [...pooled].map(([stage, map]) => quantize(stage, map));
    return { topKeys, overviews, blockSize, pooled: async () => pooled };
  }
}
