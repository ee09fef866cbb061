/** A run as other extensions get it: checks what they ask, masks what is masked. Pure. */

import type * as api from '../../api/mtaInspector';
import type { KnownRun, RunDetails } from '../analysis/runDetails';
import { keysOfRow } from '../attention/topKeys';
import type { AnalysisWindow, LayerResult, ModelSummary, WindowTokens } from '../shared/analysis';
import { tileSize } from '../shared/attentionMap';
import { patchKinds } from '../shared/interventions';
import { stages } from '../shared/operators';
import { predictingRows, quantities } from '../shared/relevance';
import { tokenAt } from '../tokenization/offsets';

/** A run that has tokens. */
export interface OfferedRun extends KnownRun {
  readonly analysisId: number;
  readonly window: AnalysisWindow;
  readonly tokens: WindowTokens;
}

/** The part of RunDetails that other extensions reach. */
export type Details = Pick<
  RunDetails,
  'tile' | 'strongestKeys' | 'relevance' | 'explain' | 'lens' | 'knockOuts' | 'patchParts'
>;

/**
 * @param runOf the run as far as it has come; the same one at every call.
 * @param letGo what `dispose` does.
 */
export function offer(runOf: () => OfferedRun, details: Details, letGo: () => void): api.Analysis {
  const { analysisId, model, window, tokens, nTokens } = runOf();
  const addressOf = ({ layerIdx, headIdx, stage = 'mixed_pattern' }: api.MapAddress) => {
    within('layerIdx', layerIdx, 0, model.nLayers - 1);
    within('headIdx', headIdx, 0, model.nHeads - 1);
    if (!stages.includes(stage)) throw new RangeError(`stage is "${stage}"; use one of ${stages.join(', ')}.`);
    return { analysisId, layerIdx, headIdx, stage };
  };
  const tile = async (map: api.MapAddress, rectangle: api.Rectangle) => {
    const { queryStart, keyStart, nQueries, nKeys } = rectangle;
    const address = { ...addressOf(map), queryStart, keyStart, nQueries, nKeys };
    within('queryStart', queryStart, 0, nTokens - 1);
    within('keyStart', keyStart, 0, nTokens - 1);
    within('nQueries', nQueries, 1, Math.min(tileSize, nTokens - queryStart));
    within('nKeys', nKeys, 1, Math.min(nQueries === 1 ? nTokens : tileSize, nTokens - keyStart));
    const { values } = await details.tile(address);
    return values.map((value, cell) => {
      const query = queryStart + Math.floor(cell / nKeys);
      return keyStart + (cell % nKeys) > query ? Number.NaN : value;
    });
  };
  const checkTarget = (target: 'actual' | 'predicted' | number) => {
    if (target !== 'actual' && target !== 'predicted') within('target', target, 0, model.vocabSize - 1);
  };
  const checkRange = (name: string, { first, end }: api.TokenRange) => {
    within(`${name}.first`, first, 0, nTokens - 1);
    within(`${name}.end`, end, first + 1, nTokens);
  };
  const rangeOf = ({ first, end }: api.TokenRange) => ({ first, end });
  const offered: readonly api.Token[] = Array.from(tokens.ids, (id, i) => ({
    ...{ id, label: tokens.labels[i]!, start: tokens.offsets[i]!, end: tokens.offsets[i + 1]! },
  }));
  return {
    model: modelOf(model),
    window,
    tokens: offered,
    get layers() {
      return runOf().layers.map(layer => layerOf(layer, model));
    },
    get surprisalBits() {
      return runOf().predictions?.surprisalBits.slice();
    },
    tokenAt(offset) {
      const token = tokenAt(tokens.offsets, offset);
      return token < 0 ? undefined : token;
    },
    async row(map, queryIdx) {
      within('queryIdx', queryIdx, 0, nTokens - 1);
      return tile(map, { queryStart: queryIdx, keyStart: 0, nQueries: 1, nKeys: queryIdx + 1 });
    },
    tile,
    async strongestKeys(map, queryIdx, k = 16) {
      within('queryIdx', queryIdx, 0, nTokens - 1);
      within('k', k, 1, nTokens);
      const { stage, ...head } = addressOf(map);
      const known = runOf().layers[head.layerIdx]?.topKeys.k ?? 0;
      if (k <= known) return details.strongestKeys({ ...head, stage }, queryIdx, k);
      const row = await tile(map, { queryStart: queryIdx, keyStart: 0, nQueries: 1, nKeys: queryIdx + 1 });
      return keysOfRow(row, queryIdx, k);
    },
    async relevance(range, options = {}) {
      const { method = 'mean', direction = 'attends', heads = 'all', quantity = 'weight', rows = 'reading' } = options;
      within('first', range.first, 0, nTokens - 1);
      within('end', range.end, range.first + 1, nTokens);
      if (!['mean', 'max', 'rollout'].includes(method)) {
        throw new RangeError(`method is "${method}"; use one of mean, max, rollout.`);
      }
      const own =
        heads === 'all' ? heads : heads.map(addressOf).map(({ layerIdx, headIdx }) => ({ layerIdx, headIdx }));
      if (!quantities.includes(quantity)) {
        throw new RangeError(`quantity is "${quantity}"; use one of ${quantities.join(', ')}.`);
      }
      if (rows !== 'reading' && (rows !== 'predicting' || direction !== 'attends')) {
        throw new RangeError(`rows is "${rows}"; use reading, or with the direction attends predicting.`);
      }
      const asked = rows === 'reading' ? rangeOf(range) : predictingRows(rangeOf(range));
      if (!asked) throw new RangeError('nothing predicts token 0; use a later range, or the rows reading.');
      const map = { analysisId, layerIdx: 0, headIdx: 0, stage: 'mixed_pattern' } as const;
      return details.relevance({ method, direction, heads: own, quantity }, asked, map);
    },
    async explain(row, { target = 'actual', minus, cells } = {}) {
      within('row', row, 0, nTokens - 1);
      checkTarget(target);
      if (minus !== undefined) within('minus', minus, 0, model.vocabSize - 1);
      const split = cells?.map(({ layerIdx, headIdx, keyIdx }) => {
        within('layerIdx', layerIdx, 0, model.nLayers - 1);
        within('headIdx', headIdx, 0, model.nHeads - 1);
        within('keyIdx', keyIdx, 0, row);
        return { layerIdx, headIdx, keyIdx };
      });
      return details.explain({ analysisId, row, target, minus, cells: split });
    },
    async lens(rows, { target = 'actual', k = 5 } = {}) {
      checkRange('rows', rows);
      checkTarget(target);
      within('k', k, 1, Math.min(model.vocabSize, 1000));
      return details.lens({ analysisId, rows: rangeOf(rows), target, k });
    },
    async knockOut(rows, cuts, { target = 'actual' } = {}) {
      checkRange('rows', rows);
      checkTarget(target);
      for (const { keys, queries, layers = [], heads = [] } of cuts) {
        checkRange('keys', keys);
        if (queries) checkRange('queries', queries);
        for (const layerIdx of layers) within('layerIdx', layerIdx, 0, model.nLayers - 1);
        for (const head of heads) addressOf(head);
      }
      return details.knockOuts({ analysisId, rows: rangeOf(rows), target, cuts });
    },
    async patch(row, { what, from, target = 'actual', minus, align = false }) {
      within('row', row, 0, nTokens - 1);
      checkTarget(target);
      if (minus !== undefined) within('minus', minus, 0, model.vocabSize - 1);
      if (!patchKinds.includes(what)) throw new RangeError(`what is "${what}"; use one of ${patchKinds.join(', ')}.`);
      if (typeof from === 'string' && from !== 'zero' && from !== 'mean') {
        throw new RangeError(`from is "${from}"; use an analysis, zero or mean.`);
      }
      if (typeof from !== 'string' && from.model.name !== model.name) {
        throw new RangeError(
          `from is an analysis by "${from.model.name}"; use one by the same model, "${model.name}".`,
        );
      }
      const values =
        typeof from === 'string' ? from : { ids: Int32Array.from(from.tokens, ({ id }) => id), isAligned: align };
      return details.patchParts({ analysisId, row, target, minus, what, from: values });
    },
    dispose: letGo,
  };
}

export function layerOf({ layerIdx, topKeys, durationMs }: LayerResult, model: ModelSummary): api.Layer {
  const { k, indices, weights } = topKeys;
  const copied = { k, indices: indices.slice(), weights: weights.slice() };
  return { layerIdx, stages: [...model.layers[layerIdx]!.stages], topKeys: copied, durationMs };
}

function modelOf({ name, nLayers, nHeads, maxSeqlen, vocabSize, nParameters }: ModelSummary): api.Model {
  return { name, nLayers, nHeads, maxSeqlen, vocabSize, nParameters };
}

function within(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new RangeError(`${name} is ${value}; it must be a whole number from ${low} to ${high}.`);
}
