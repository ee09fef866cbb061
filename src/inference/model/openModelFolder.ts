/**
 * Finds and validates a model folder: config.json, tokenizer.json, model.safetensors (or shards with an index), in our
 * layout or as Hugging Face's llama-class models have it. Reads headers only; the runtime maps the weights.
 */

import { join } from 'node:path';
import { isHuggingFaceConfig, readHuggingFaceConfig } from '../../graph/huggingFaceConfig';
import { headNames, type Layout, placeOf, prefixOf, type WeightPlace } from '../../graph/huggingFaceWeights';
import { type ModelConfig, parseModelConfig } from '../../graph/modelConfig';
import { expectedWeights } from '../../graph/modelGraphs';
import type { QuantizedWeights } from '../../shared/analysis';
import { beginTokenOf } from '../../tokenization/beginToken';
import { ggufChatTemplate, readChatTemplate } from './chatTemplate';
import { type ModelFolder, summarize } from './folder';
import { folderName, modelDirectoryOf, onnxFileOf, readable, readJson, readWhole, weightFolderOf } from './folderFiles';
import { ggufFileOf, readGgufParts } from './gguf/files';
import { openGguf } from './gguf/openGguf';
import { hasInt8Weights, int8Weights } from './int8Weights';
import { openOnnxView } from './onnxView/openView';
import { checkedWeights, readWeightFiles, type WeightFile } from './weightFiles';

/**
 * @param path the folder, or one of its files; a GGUF file, or an ONNX file with attention outputs, or a folder with that
 * alone.
 * @param quantized how quantized weights are kept.
 * @throws Failure naming the file, and where it applies the tensor, what was expected and what was found.
 */
export function openModelFolder(path: string, quantized: QuantizedWeights = 'packed'): Promise<ModelFolder> {
  return readable(path, openFolder(path, quantized));
}

async function openFolder(path: string, quantized: QuantizedWeights): Promise<ModelFolder> {
  const onnx = await onnxFileOf(path);
  if (onnx) return openOnnxView(onnx);
  const gguf = await ggufFileOf(path);
  if (gguf) return openGguf(gguf, quantized);
  const directory = await modelDirectoryOf(path);
  const name = folderName(directory);
  const where = `config.json of model "${name}"`;
  const configJson = await readJson(directory, 'config.json');
  const tokenizerJson = await readJson(directory, 'tokenizer.json');
  const theirs = isHuggingFaceConfig(configJson)
    ? readHuggingFaceConfig(configJson, where, beginTokenOf(tokenizerJson))
    : null;
  const stated = theirs?.config ?? parseModelConfig(configJson, where);
  const files = await readWeightFiles(directory, expectedWeights(stated).size);
  const { config, place } = theirs
    ? placesIn(files, theirs.layout, stated)
    : { config: stated, place: (key: string): WeightPlace => ({ name: key }) };
  const weightFolder = await weightFolderOf(directory);
  const contents = files.map(({ location, read }) => ({
    location,
    isInMemory: read !== undefined && read !== null,
    bytes: once(read ?? (() => readWhole(join(weightFolder, location)))),
  }));
  const common = {
    directory,
    weightFolder,
    config,
    configJson: configJson as Record<string, unknown>,
    tokenizerJson,
    summary: summarize(config, directory, name),
    chatTemplate: () => readChatTemplate(directory, name),
  };
  const expected = expectedWeights(config);
  const checked = (of: ReadonlyMap<string, readonly number[]>) => checkedWeights(of, files, name, place);
  if (!theirs && hasInt8Weights(configJson, where)) {
    const byLocation = new Map(contents.map(content => [content.location, content]));
    const read = await int8Weights({ name, weightFolder, quantized }, expected, files, byLocation, checked);
    const { weightsKeptAs, ...weights } = read;
    return { ...common, ...weights, summary: { ...common.summary, weightType: 'int8', weightsKeptAs } };
  }
  return {
    ...common,
    weights: checked(expected),
    inMemory: async (readsAll, files) => {
      const read = contents.filter(file => files.has(file.location) && (readsAll || file.isInMemory));
      return new Map(await Promise.all(read.map(async ({ location, bytes }) => [location, await bytes()] as const)));
    },
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
  };
}

/** Whether a model, as `openModelFolder` takes it, has a chat template, one that cannot be used included. */
export async function hasChatTemplate(path: string): Promise<boolean> {
  if (await onnxFileOf(path)) return false;
  const gguf = await ggufFileOf(path);
  if (gguf) return ggufChatTemplate((await readGgufParts(gguf))[0]!.header.metadata) !== null;
  const directory = await modelDirectoryOf(path);
  return readChatTemplate(directory, folderName(directory)).then(
    template => template !== null,
    () => true,
  );
}

/**
 * Where the files of Hugging Face's library have the weights. Embeddings are tied as the library ties them: a head of its
 * own in the files counts, whatever the configuration says, and where they have only a head, it is the embedding too.
 */
function placesIn(files: readonly WeightFile[], layout: Layout, stated: ModelConfig) {
  const has = (name: string) => files.some(({ tensors }) => tensors.has(name));
  const prefix = prefixOf(layout, has);
  const head = headNames(layout, prefix).find(name => has(`${name}.weight`));
  const embedding = placeOf(layout, prefix, 'tok_embeddings.weight', stated).name;
  const isOnlyHead = stated.weight_tying && head !== undefined && !has(embedding);
  const config = { ...stated, weight_tying: stated.weight_tying && (head === undefined || isOnlyHead) };
  const place = (key: string): WeightPlace => {
    if (key.startsWith('output.') && head !== undefined) return { name: head + key.slice('output'.length) };
    if (key === 'tok_embeddings.weight' && isOnlyHead) return { name: `${head}.weight` };
    return placeOf(layout, prefix, key, config);
  };
  return { config, place };
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
