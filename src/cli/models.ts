/** `mta-inspect models`: what is installed, with sizes and metrics, and what other programs have put on this machine. */

import { openModelFolder } from '../inference/model/openModelFolder';
import { modelFacts } from '../inference/modelFacts';
import { findModels } from '../inference/stores/findModels';
import { type ModelSource, sourceNames } from '../shared/foundModels';
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

/** A model that another program has put on this machine. */
export interface FoundListing {
  readonly source: ModelSource;
  readonly name: string;
  readonly revision: string | null;
  readonly path: string;
  readonly family: string | null;
  readonly parameters: number | null;
  readonly size_bytes: number;
  /** Memory that inspecting a short text takes at least. */
  readonly memory_bytes: number | null;
  readonly fits_in_memory: boolean | null;
  /** Why it cannot be opened; null where it can. */
  readonly problem: string | null;
}

export async function listFoundModels(): Promise<FoundListing[]> {
  const listings: FoundListing[] = [];
  // One after the other: each is opened, which takes memory.
  for (const { source, name, revision, path, sizeBytes, problem } of await findModels()) {
    const facts = problem === null ? await modelFacts(path) : null;
    listings.push({
      ...{ source, name, revision, path },
      family: facts?.family ?? null,
      parameters: facts?.nParameters ?? null,
      size_bytes: sizeBytes || (facts?.sizeBytes ?? 0),
      memory_bytes: facts?.memoryBytes ?? null,
      fits_in_memory: facts?.fitsInMemory ?? null,
      problem: problem ?? facts?.problem ?? null,
    });
  }
  return listings;
}

/** Lines about the models of other programs, under a heading for each program. */
export function foundText(found: readonly FoundListing[]): string[] {
  const sources = [...new Set(found.map(({ source }) => source))];
  return sources.flatMap(source => [
    `\n${sourceNames[source]}:`,
    ...found.filter(model => model.source === source).map(formatFound),
  ]);
}

function formatFound({ name, revision, family, parameters, size_bytes, memory_bytes, ...model }: FoundListing): string {
  const facts = [
    ...(family ? [family] : []),
    ...(parameters === null ? [] : [`${millions(parameters)} parameters`]),
    `${(size_bytes / 1e6).toFixed(1)} MB`,
    ...(memory_bytes === null
      ? []
      : [
          `needs ${(memory_bytes / 1e6).toFixed(0)} MB of memory${model.fits_in_memory ? '' : ', more than the budget'}`,
        ]),
  ];
  const title = oneLine(`${name}${revision === null ? '' : `@${revision}`}: ${facts.join(', ')}`);
  return model.problem === null ? title : `${title}\n    ${oneLine(model.problem)}`;
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
