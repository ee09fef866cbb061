/** Models in Ollama's store: a manifest for each name and tag, whose layers are blobs; the model is a GGUF file. */

import { join } from 'node:path';
import type { FoundModel } from '../../shared/foundModels';
import { Failure } from '../../shared/tools/failure';
import { isGgufFile } from '../model/gguf/files';
import { liesIn, namesIn, readSmall, sizeOf } from './storeFiles';

const modelLayer = 'application/vnd.ollama.image.model';
const adapterLayer = 'application/vnd.ollama.image.adapter';
const maxManifestBytes = 1 << 20;
const maxLayers = 10_000;
/** Models of one store that are listed. */
const maxModels = 500;

export async function ollamaModels(store: string): Promise<FoundModel[]> {
  const manifests = join(store, 'manifests');
  const found: FoundModel[] = [];
  for (const host of await namesIn(manifests)) {
    for (const namespace of await namesIn(join(manifests, host))) {
      for (const model of await namesIn(join(manifests, host, namespace))) {
        for (const tag of (await namesIn(join(manifests, host, namespace, model))).filter(isTag)) {
          if (found.length >= maxModels) return found;
          found.push(await modelOf(store, [host, namespace, model, tag]));
        }
      }
    }
  }
  return found;
}

/** Not what systems leave in folders, such as .DS_Store. */
function isTag(name: string): boolean {
  return /^\w/.test(name);
}

/** @param place the four parts of a manifest's path. */
async function modelOf(store: string, place: readonly [string, string, string, string]): Promise<FoundModel> {
  const common = { source: 'ollama', name: ollamaName(place), revision: null } as const;
  const manifest = join(store, 'manifests', ...place);
  try {
    if (!(await liesIn(store, manifest))) throw new Failure('bad-model-file', 'Its manifest lies outside the store.');
    if ((await sizeOf(manifest)) === 0) {
      throw new Failure('bad-model-file', 'Its manifest is an empty file or none. Pull it again.');
    }
    const blob = join(store, 'blobs', blobOfManifest(await readSmall(manifest, maxManifestBytes)));
    if (!(await liesIn(join(store, 'blobs'), blob))) {
      throw new Failure('bad-model-file', 'Its weights are missing in the store, or lie outside it.');
    }
    const sizeBytes = await sizeOf(blob);
    if (sizeBytes === 0) throw new Failure('bad-model-file', 'Its weights are an empty file or none. Pull it again.');
    // A file that cannot be opened is refused where it is opened.
    if (!(await isGgufFile(blob).catch(() => true))) {
      throw new Failure('bad-model-file', 'Its weights are not a GGUF file, which begins with "GGUF". Pull it again.');
    }
    return { ...common, path: blob, sizeBytes, problem: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { ...common, path: manifest, sizeBytes: 0, problem: `Cannot load ${common.name}. ${error.message}` };
  }
}

/** As `ollama list` names it: without the host and namespace that are taken for granted. */
function ollamaName([host, namespace, model, tag]: readonly [string, string, string, string]): string {
  const isUsual = host === 'registry.ollama.ai';
  const owner = isUsual && namespace === 'library' ? '' : `${namespace}/`;
  return `${isUsual ? '' : `${host}/`}${owner}${model}:${tag}`;
}

/**
 * The name of the file in `blobs` with the weights.
 * @throws Failure for manifests that name none, or name it in a way that could lead elsewhere.
 */
export function blobOfManifest(text: string): string {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch {
    throw new Failure('bad-model-file', 'Its manifest is not valid JSON.');
  }
  const layers = (manifest as { layers?: unknown } | null)?.layers;
  if (!Array.isArray(layers) || layers.length > maxLayers) {
    throw new Failure('bad-model-file', 'Its manifest has no list of layers.');
  }
  const types = layers.map(layer => (layer as { mediaType?: unknown } | null)?.mediaType);
  const models = layers.filter((_, i) => types[i] === modelLayer);
  if (models.length !== 1) {
    const isSplit = types.includes('application/vnd.ollama.image.tensor');
    throw new Failure(
      'bad-model-file',
      isSplit
        ? 'Its weights are stored tensor by tensor, which is not read here.'
        : `Its manifest names ${models.length} files with weights, expected one. Models in the cloud have none.`,
    );
  }
  if (types.includes(adapterLayer)) {
    throw new Failure(
      'bad-model-file',
      'It has an adapter, which changes its weights and is not read here. Select the model without it.',
    );
  }
  const digest: unknown = models[0].digest;
  if (typeof digest !== 'string' || !/^sha256[:-][0-9a-f]{64}$/.test(digest)) {
    throw new Failure('bad-model-file', 'Its manifest names its weights by something else than a SHA-256 digest.');
  }
  return digest.replace(':', '-');
}
