/** `mta-inspect models`: what is installed, with sizes and metrics. */

import { openModelFolder } from '../inference/model/openModelFolder';
import { bundledModels } from './modelPaths';
import { oneLine } from './terminal';

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
  /** Tokens the model was trained on, as config.json states them under `training`; null where it does not. */
  readonly tokens_seen: number | null;
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
        tokens_seen: tokensSeen(configJson['training']),
        metrics: (configJson['metrics'] ?? {}) as Record<string, unknown>,
      };
    }),
  );
}

/** A summary for people. Metrics named `…_bpb` are bits per byte of the text they name and share a line. */
export function formatModel(model: ModelListing): string {
  const kernels = model.mta_layers.length
    ? `key-query convolution in layers ${model.mta_layers.join(', ')}`
    : 'no kernels';
  const metrics = Object.entries(model.metrics);
  const bitsPerByte = metrics.filter(([name]) => name.endsWith(bitsPerByteSuffix));
  const others = metrics.filter(([name]) => !name.endsWith(bitsPerByteSuffix));
  const texts = bitsPerByte.map(([name, value]) => {
    return oneLine(`${name.slice(0, -bitsPerByteSuffix.length).replaceAll('_', ' ')} ${JSON.stringify(value)}`);
  });
  const lines = [
    `${oneLine(model.name)}: ${millions(model.parameters)} parameters, ${(model.size_bytes / 1e6).toFixed(1)} MB`,
    `${model.n_layers} layers, ${model.n_heads} heads, context ${model.max_seqlen}, ${kernels}`,
    ...(model.tokens_seen === null ? [] : [`trained on ${millions(model.tokens_seen)} tokens`]),
    ...(texts.length ? [`bits per byte: ${texts.join(', ')}`] : []),
    ...others.map(([name, value]) => oneLine(`${name.replaceAll('_', ' ')}: ${JSON.stringify(value)}`)),
  ];
  return lines.join('\n    ');
}

const bitsPerByteSuffix = '_bpb';

function millions(count: number): string {
  return `${(count / 1e6).toFixed(1)} M`;
}

function tokensSeen(training: unknown): number | null {
  const count = (training as { tokens_seen?: unknown } | null | undefined)?.tokens_seen;
  return Number.isSafeInteger(count) ? (count as number) : null;
}
