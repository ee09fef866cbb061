/** `mta-inspect models`: what is installed, with sizes and metrics. */

import { openModelFolder } from '../inference/modelFolder';
import { bundledModels } from './modelPaths';

export interface ModelListing {
  readonly name: string;
  readonly directory: string;
  readonly parameters: number;
  readonly size_bytes: number;
  readonly n_layers: number;
  readonly n_heads: number;
  readonly vocab_size: number;
  readonly max_seqlen: number;
  /** Layers with key-query kernels. */
  readonly mta_layers: readonly number[];
  /** As config.json states them, e.g. bits per byte. */
  readonly metrics: Readonly<Record<string, unknown>>;
}

export async function listModels(): Promise<ModelListing[]> {
  return Promise.all(
    bundledModels().map(async directory => {
      const { summary, sizeBytes, configJson } = await openModelFolder(directory);
      const withKernels = summary.layers.filter(layer => layer.preSoftmaxKernel ?? layer.postSoftmaxKernel);
      return {
        name: summary.name,
        directory,
        parameters: summary.nParameters,
        size_bytes: sizeBytes,
        n_layers: summary.nLayers,
        n_heads: summary.nHeads,
        vocab_size: summary.vocabSize,
        max_seqlen: summary.maxSeqlen,
        mta_layers: withKernels.map(layer => layer.layerIdx),
        metrics: (configJson['metrics'] ?? {}) as Record<string, unknown>,
      };
    }),
  );
}

export function formatModel(model: ModelListing): string {
  const metrics = Object.entries(model.metrics).map(([name, value]) => `    ${name}: ${JSON.stringify(value)}`);
  const kernels = model.mta_layers.length
    ? `key-query convolution in layers ${model.mta_layers.join(', ')}`
    : 'no kernels';
  return [
    `${model.name}: ${(model.parameters / 1e6).toFixed(1)} M parameters, ${(model.size_bytes / 1e6).toFixed(1)} MB`,
    `    ${model.n_layers} layers, ${model.n_heads} heads, context ${model.max_seqlen}, ${kernels}`,
    ...metrics,
  ].join('\n');
}
