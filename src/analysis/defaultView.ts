/** Which layer is shown until the reader picks one. Pure. */

import type { LayerSummary } from '../shared/analysis';

/**
 * The first layer with a convolution before the softmax once it is ready, until then the newest layer: something is on
 * screen from the first layer on, and what stays is what only these models have.
 */
export function defaultLayer(layers: readonly LayerSummary[], layersDone: number): number {
  const first = layers.findIndex(layer => layer.preSoftmaxKernel !== null);
  return first >= 0 && first < layersDone ? first : Math.max(0, layersDone - 1);
}
