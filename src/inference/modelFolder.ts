/**
 * Finds and validates a model folder: config.json, tokenizer.json, model.safetensors (or shards with an index).
 * Reads headers only; the runtime maps the weights. Never follows a path out of the folder.
 */

import { open, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import type { ElementType, Weight } from '../graph/graphBuilder';
import { planLayer, summarizeLayer } from '../graph/layerPlan';
import { type ModelConfig, parseModelConfig } from '../graph/modelConfig';
import { expectedWeights, type WeightSource } from '../graph/modelGraphs';
import type { ModelSummary } from '../shared/analysis';
import { Failure } from '../shared/failure';
import { parseSafetensorsHeader, safetensorsHeaderLength, type TensorEntry } from '../shared/safetensors';

export interface ModelFolder {
  readonly directory: string;
  readonly config: ModelConfig;
  /** config.json as it stands, for what the engine does not use (metrics, training). */
  readonly configJson: Readonly<Record<string, unknown>>;
  readonly tokenizerJson: unknown;
  readonly weights: WeightSource;
  readonly summary: ModelSummary;
  /** Size of all weight files. */
  readonly sizeBytes: number;
}

interface WeightFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}

const elementTypes: Readonly<Record<string, ElementType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };
const maxJsonBytes = 64 * 1024 * 1024;

/** @throws Failure naming the file, and where it applies the tensor, what was expected and what was found. */
export async function openModelFolder(directory: string): Promise<ModelFolder> {
  const name = basename(directory);
  const configJson = await readJson(directory, 'config.json');
  const config = parseModelConfig(configJson, `config.json of model "${name}"`);
  const tokenizerJson = await readJson(directory, 'tokenizer.json');
  const files = await readWeightFiles(directory);
  const weights = checkedWeights(config, files, name);
  let nParameters = 0;
  for (const key of expectedWeights(config).keys()) {
    nParameters += weights(key).shape.reduce((product, n) => product * n, 1);
  }
  return {
    directory,
    config,
    configJson: configJson as Record<string, unknown>,
    tokenizerJson,
    weights,
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    summary: {
      name: config.name === 'unnamed' ? name : config.name,
      directory,
      nLayers: config.n_layers,
      nHeads: config.n_heads,
      dim: config.dim,
      vocabSize: config.vocab_size,
      maxSeqlen: config.max_seqlen,
      nParameters,
      layers: Array.from({ length: config.n_layers }, (_, layerIdx) => summarizeLayer(planLayer(config, layerIdx))),
    },
  };
}

async function readWeightFiles(directory: string): Promise<WeightFile[]> {
  const index = await inside(directory, 'model.safetensors.index.json').catch(() => null);
  if (!index) return [await readWeightFile(directory, 'model.safetensors')];
  const json = (await readJson(directory, 'model.safetensors.index.json')) as { weight_map?: Record<string, string> };
  const names = [...new Set(Object.values(json.weight_map ?? {}))];
  if (names.length === 0) throw missing(directory, 'a weight_map in model.safetensors.index.json');
  return Promise.all(names.map(name => readWeightFile(directory, name)));
}

async function readWeightFile(directory: string, name: string): Promise<WeightFile> {
  const path = await inside(directory, name);
  const where = `${name} of model "${basename(directory)}"`;
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const first = new Uint8Array(8);
    const { bytesRead } = await file.read(first, 0, 8, 0);
    const headerLength = safetensorsHeaderLength(first.subarray(0, bytesRead), size, where);
    const header = new Uint8Array(headerLength);
    await file.read(header, 0, headerLength, 8);
    return { name, sizeBytes: size, tensors: parseSafetensorsHeader(header, size, where) };
  } finally {
    await file.close();
  }
}

/** Checks that every tensor the configuration asks for is there with its shape. */
function checkedWeights(config: ModelConfig, files: readonly WeightFile[], model: string): WeightSource {
  const weights = new Map<string, Weight>();
  for (const [key, shape] of expectedWeights(config)) {
    const file = files.find(candidate => candidate.tensors.has(key));
    const entry = file?.tensors.get(key);
    const fail = (found: string) =>
      new Failure(
        'bad-weights',
        `Cannot load model "${model}": ${key} is ${found}, config.json asks for ${shape.join('×')}. ` +
          'Install the model again or pick another one.',
        ['selectModel', 'showLog'],
      );
    if (!file || !entry) throw fail(`missing in ${files.map(candidate => candidate.name).join(', ')}`);
    const elementType = elementTypes[entry.dtype];
    if (!elementType) throw fail(`of type ${entry.dtype} in ${file.name} (F32, F16 and BF16 are read)`);
    if (entry.shape.join() !== shape.join())
      throw fail(`${entry.shape.join('×') || 'a single number'} in ${file.name}`);
    const source = { file: file.name, offset: entry.start, length: entry.end - entry.start };
    weights.set(key, { elementType, shape: entry.shape, source });
  }
  return key => {
    const weight = weights.get(key);
    if (!weight) throw new RangeError(`the configuration of model "${model}" has no tensor ${key}`);
    return weight;
  };
}

async function readJson(directory: string, name: string): Promise<unknown> {
  const path = await inside(directory, name);
  const { size } = await stat(path);
  if (size > maxJsonBytes) throw unreadable(directory, name, `it has ${size} bytes, more than ${maxJsonBytes}`);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    throw unreadable(directory, name, 'it is no valid JSON');
  }
}

/** Path of a file that must lie in the folder, links resolved. */
async function inside(directory: string, name: string): Promise<string> {
  const root = await realpath(directory).catch(() => {
    throw new Failure('no-model', `There is no model folder ${directory}. Pick another model.`, ['selectModel']);
  });
  const path = await realpath(join(root, name)).catch(() => {
    throw missing(directory, name);
  });
  if (!path.startsWith(root + sep)) throw unreadable(directory, name, 'it leads out of the model folder');
  return path;
}

function missing(directory: string, what: string): Failure {
  return new Failure(
    'no-model',
    `Cannot load model "${basename(directory)}": ${what} is missing. Pick another model.`,
    ['selectModel'],
  );
}

function unreadable(directory: string, name: string, why: string): Failure {
  return new Failure(
    'bad-model-file',
    `Cannot load model "${basename(directory)}": ${name} cannot be read, ${why}. Install it again or pick another model.`,
    ['selectModel', 'showLog'],
  );
}
