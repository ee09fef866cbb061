/** What a list of models shows of each: opens it as loading does, without its weights. */

import { isHuggingFaceConfig, parseHuggingFaceConfig } from '../graph/huggingFaceConfig';
import { parseModelConfig } from '../graph/modelConfig';
import type { ModelFacts } from '../shared/foundModels';
import { Failure } from '../shared/tools/failure';
import { plainLine, shorten } from '../shared/tools/plainText';
import { type ModelFolder, summarize } from './model/folder';
import { readJson } from './model/folderFiles';
import { openModelFolder } from './model/openModelFolder';
import { minBandRows } from './runtime/bands';
import { defaultBudgetBytes, estimatePeakBytes } from './runtime/memory';

/** Tokens of the short text that memory is estimated for: the window unless a setting says otherwise. */
const nTokens = 512;

/** @returns the reason in `problem` where the model cannot be opened. */
export async function modelFacts(path: string): Promise<ModelFacts> {
  try {
    const folder = await openModelFolder(path);
    const { configJson, summary, sizeBytes } = folder;
    const isSized = summary.nParameters > 0 && sizeBytes > 0;
    return {
      family: familyOf(configJson) ?? (folder.view ? 'ONNX' : null),
      nParameters: isSized ? summary.nParameters : null,
      sizeBytes,
      ...(isSized ? memoryFor(folder) : { memoryBytes: null, fitsInMemory: null }),
      problem: null,
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const config = await readJson(path, 'config.json').catch(() => null);
    const unknown = { nParameters: null, sizeBytes: null, memoryBytes: null, fitsInMemory: null };
    return { family: familyOf(config), ...unknown, problem: error.message };
  }
}

/** Memory that the model takes for a short text, computed in the smallest parts. */
export function memoryFor(folder: Pick<ModelFolder, 'config' | 'summary' | 'sizeBytes'>) {
  const size = { nTokens: Math.min(nTokens, folder.summary.maxSeqlen), topK: 16, nRuns: 1 };
  const memoryBytes = Math.ceil(estimatePeakBytes(folder, size, minBandRows));
  return { memoryBytes, fitsInMemory: memoryBytes <= defaultBudgetBytes() };
}

function familyOf(config: unknown): string | null {
  const { model_type: family } = (config ?? {}) as { model_type?: unknown };
  return typeof family === 'string' ? plainLine(shorten(family, 40)) : null;
}

/**
 * What config.json says of a model whose weights are not here yet.
 * @param sizeBytes of its weights. @returns the reason in `problem` where the model could not be opened.
 */
export function configFacts(config: unknown, sizeBytes: number): ModelFacts {
  const family = familyOf(config);
  try {
    const where = 'config.json';
    const parsed = isHuggingFaceConfig(config)
      ? parseHuggingFaceConfig(config, where, null)
      : parseModelConfig(config, where);
    const summary = summarize(parsed, '', '');
    const memory = memoryFor({ config: parsed, summary, sizeBytes });
    return { family, nParameters: summary.nParameters, sizeBytes, ...memory, problem: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { family, nParameters: null, sizeBytes, memoryBytes: null, fitsInMemory: null, problem: error.message };
  }
}
