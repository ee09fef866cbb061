/**
 * Finds and validates a model folder: config.json, tokenizer.json, model.safetensors (or shards with an index), in our
 * layout or as Hugging Face's llama-class models have it. Reads headers only; the runtime maps the weights.
 */

import { join } from 'node:path';
import { huggingFaceKey, isHuggingFaceConfig, parseHuggingFaceConfig } from '../../graph/huggingFaceConfig';
import { parseModelConfig } from '../../graph/modelConfig';
import { expectedWeights } from '../../graph/modelGraphs';
import { beginTokenOf } from '../../tokenization/beginToken';
import { type ModelFolder, summarize } from './folder';
import { folderName, modelDirectoryOf, onnxFileOf, readJson, regularFile, weightFolderOf } from './folderFiles';
import { openOnnxView } from './onnxView/openView';
import { checkedWeights, readWeightFiles } from './weightFiles';

/**
 * @param path the folder, or one of its files; an ONNX file with attention outputs, or a folder with that alone.
 * @throws Failure naming the file, and where it applies the tensor, what was expected and what was found.
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const onnx = await onnxFileOf(path);
  if (onnx) return openOnnxView(onnx);
  const directory = await modelDirectoryOf(path);
  const name = folderName(directory);
  const where = `config.json of model "${name}"`;
  const configJson = await readJson(directory, 'config.json');
  const tokenizerJson = await readJson(directory, 'tokenizer.json');
  const isHuggingFace = isHuggingFaceConfig(configJson);
  const config = isHuggingFace
    ? parseHuggingFaceConfig(configJson, where, beginTokenOf(tokenizerJson))
    : parseModelConfig(configJson, where);
  const expected = expectedWeights(config);
  const files = await readWeightFiles(directory, expected.size);
  const nameInFile = isHuggingFace ? (key: string) => huggingFaceKey(key, config.norm_position) : (key: string) => key;
  const weights = checkedWeights(expected, files, name, nameInFile);
  const weightFolder = await weightFolderOf(directory);
  const contents = files.map(({ location, read }) => ({
    location,
    isInMemory: read !== undefined && read !== null,
    bytes: once(read ?? (() => readWhole(join(weightFolder, location)))),
  }));
  return {
    directory,
    weightFolder,
    config,
    configJson: configJson as Record<string, unknown>,
    tokenizerJson,
    weights,
    inMemory: async readsAll => {
      const read = contents.filter(file => readsAll || file.isInMemory);
      return new Map(await Promise.all(read.map(async ({ location, bytes }) => [location, await bytes()] as const)));
    },
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    summary: summarize(config, directory, name),
  };
}

async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await regularFile(path);
  try {
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
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
