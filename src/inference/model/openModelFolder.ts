/**
 * Finds and validates a model folder: config.json, tokenizer.json, model.safetensors (or shards with an index), in our
 * layout or as Hugging Face's llama-class models have it. Reads headers only; the runtime maps the weights.
 */

import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { huggingFaceKey, isHuggingFaceConfig, parseHuggingFaceConfig } from '../../graph/huggingFaceConfig';
import { planLayer, summarizeLayer } from '../../graph/layerPlan';
import { type ModelConfig, parseModelConfig } from '../../graph/modelConfig';
import { expectedWeights, type WeightSource } from '../../graph/modelGraphs';
import type { ModelSummary } from '../../shared/analysis';
import { plainLine, shorten } from '../../shared/tools/plainText';
import { beginTokenOf } from '../../tokenization/beginToken';
import { type OnnxView, openOnnxView } from '../runtime/onnxView/openView';
import { isWasm } from '../runtime/session';
import { modelDirectoryOf, onnxFileOf, readJson } from './folderFiles';
import { checkedWeights, readWeightFiles } from './weightFiles';

export interface ModelFolder {
  readonly directory: string;
  readonly config: ModelConfig;
  /** config.json as it stands, for what the engine does not use (metrics, training). */
  readonly configJson: Readonly<Record<string, unknown>>;
  readonly tokenizerJson: unknown;
  readonly weights: WeightSource;
  /** Weights that `weights` names by a file which exists in memory only, read at the first call; most folders have none. */
  readonly inMemory: () => Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>>;
  readonly summary: ModelSummary;
  /** Set for an ONNX file that is only looked at; `config` then tells sizes alone. */
  readonly view?: OnnxView;
  /** Size of all weight files. */
  readonly sizeBytes: number;
}

/** Models larger than this run from the mapped file; smaller ones are quicker with weights prepared in memory. */
export const mappedFromBytes = 256 * 1024 * 1024;

/**
 * @param path the folder, or one of its files; an ONNX file with attention outputs, or a folder with that alone.
 * @throws Failure naming the file, and where it applies the tensor, what was expected and what was found.
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const onnx = await onnxFileOf(path);
  if (onnx) return openOnnxView(onnx);
  const directory = await modelDirectoryOf(path);
  const name = basename(directory);
  const where = `config.json of model "${name}"`;
  const configJson = await readJson(directory, 'config.json');
  const tokenizerJson = await readJson(directory, 'tokenizer.json');
  const isHuggingFace = isHuggingFaceConfig(configJson);
  const config = isHuggingFace
    ? parseHuggingFaceConfig(configJson, where, beginTokenOf(tokenizerJson))
    : parseModelConfig(configJson, where);
  const files = await readWeightFiles(directory);
  const expected = expectedWeights(config);
  const nameInFile = isHuggingFace ? (key: string) => huggingFaceKey(key, config.norm_position) : (key: string) => key;
  const weights = checkedWeights(expected, files, name, nameInFile);
  return {
    directory,
    config,
    configJson: configJson as Record<string, unknown>,
    tokenizerJson,
    weights,
    inMemory: once(async () => {
      const readsNoFiles = await isWasm();
      const read = files.flatMap(({ name, read }) => {
        const whole = async () => new Uint8Array(await readFile(join(directory, name)));
        const bytes = read ?? (readsNoFiles ? whole : null);
        return bytes ? [bytes().then(contents => [name, contents] as const)] : [];
      });
      return new Map(await Promise.all(read));
    }),
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    summary: summarize(config, directory, name),
  };
}

/** @param fallbackName for a configuration that has none. */
export function summarize(config: ModelConfig, directory: string, fallbackName: string): ModelSummary {
  const sizes = [...expectedWeights(config).values()].map(shape => shape.reduce((product, n) => product * n, 1));
  return {
    // Written wherever the model is named; whoever made the folder chose it.
    name: plainLine(shorten(config.name === 'unnamed' ? fallbackName : config.name, 200)),
    directory,
    nLayers: config.n_layers,
    nHeads: config.n_heads,
    dim: config.dim,
    vocabSize: config.vocab_size,
    maxSeqlen: config.max_seqlen,
    nParameters: sizes.reduce((sum, n) => sum + n, 0),
    layers: Array.from({ length: config.n_layers }, (_, layerIdx) => summarizeLayer(planLayer(config, layerIdx))),
  };
}

/** Calls `make` at the first call, and again only where it failed. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch(error => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
