/**
 * What messages between host and webview look like: each end checks what it receives before it acts on it. Only their
 * form; whether a model has the layer that a request names is for its handler to say. Fields not named here pass.
 */

import * as v from 'valibot';
import { maxPatchCells, stages, tileSize } from '../attentionMap';
import { colorMaps } from '../colorScale';
import { kernelParts } from '../kernels';
import { occlusionModes, relevanceMethods } from '../relevance';
import { whole } from '../tools/schema';
import { exportFormats } from './exportFormats';
import { maxThumbnails, type PanelEvents, type PanelRequests } from './panelMessages';

type AnySchema = v.GenericSchema<unknown, unknown>;

const none = v.looseObject({});
const index = whole();
const nothing = v.unknown();
const text = v.string();
/** A number, or none: NaN where it is not computed or not there, which the way to the webview makes null. */
const figure = v.nullable(v.union([v.number(), v.nan()]));
const floats = v.instance(Float32Array);
const stage = v.picklist(stages);
const direction = v.picklist(['attends', 'attendedBy']);
const range = v.looseObject({ first: index, end: index });
const head = v.looseObject({ layerIdx: index, headIdx: index });
const run = v.looseObject({ analysisId: index });
const layer = v.looseObject({ ...run.entries, layerIdx: index });
const map = v.looseObject({ ...layer.entries, headIdx: index, stage });
const rectangle = { queryStart: index, keyStart: index, nQueries: index, nKeys: index };
const part = v.picklist(kernelParts);
const view = v.looseObject({ layerIdx: index, headIdx: index, stage, difference: v.boolean() });
const style = { colorMap: v.picklist(Object.keys(colorMaps)), leavesOutFirst: v.boolean() };
const exporting = v.looseObject({ ...style, format: v.picklist(exportFormats) });
const nullableIndex = v.nullable(index);
const maxList = 1_000_000;
const list = <T extends AnySchema>(item: T) => v.pipe(v.array(item), v.maxLength(maxList));

const edit = v.looseObject({
  part: v.nullable(part),
  layerIdx: nullableIndex,
  headIdx: nullableIndex,
  weights: v.nullable(list(v.number())),
});
const ablation = v.looseObject({ scope: v.picklist(['model', 'layer']), edits: list(edit) });
const relevance = v.looseObject({
  method: v.picklist(relevanceMethods),
  direction,
  heads: v.union([v.picklist(['layer', 'all']), list(head)]),
});

/** Arguments of what the webview asks. */
export const panelArguments: Record<keyof PanelRequests, AnySchema> = {
  ready: none,
  overview: map,
  tile: v.looseObject({ ...map.entries, ...rectangle }),
  patch: v.looseObject({ ...layer.entries, ...rectangle, stage }),
  kernels: layer,
  largestChanges: v.looseObject({ ...layer.entries, headIdx: index, part }),
  setView: view,
  selectToken: v.looseObject({ tokenIdx: nullableIndex, anchorIdx: v.nullish(index), reveal: v.boolean() }),
  predictions: run,
  rangeWeights: v.looseObject({ ...map.entries, range, direction }),
  context: none,
  contextLines: none,
  setRelevance: relevance,
  occlude: v.looseObject({ mode: v.picklist(occlusionModes) }),
  cancelOcclusion: none,
  revealLine: v.looseObject({ lineIdx: index }),
  documentMap: none,
  revealInMap: v.looseObject({ offset: index }),
  save: exporting,
  copy: exporting,
  picture: v.looseObject({ ...style, partIdx: index }),
  tab: none,
  setTab: v.looseObject({ tab: v.pipe(text, v.regex(/^[a-z]{1,20}$/)) }),
  command: v.looseObject({ command: v.pipe(text, v.maxLength(40)) }),
  setAblation: ablation,
  comparison: none,
  stepAblation: v.looseObject({ step: v.picklist(['undo', 'redo', 'reset']) }),
  rankAblations: v.looseObject({ withHeads: v.boolean() }),
  cancelRanking: none,
  ranking: none,
  headMeasures: layer,
  thumbnails: v.looseObject({ ...layer.entries, headStart: index, nHeads: whole(1, maxThumbnails) }),
};

const failure = v.nullable(v.looseObject({ code: text, message: text, actions: list(text) }));
const bits = v.nullable(floats);
const tokenList = { labels: list(text), offsets: v.instance(Uint32Array) };
const tokens = v.nullable(v.looseObject({ ...tokenList, surprisalBits: bits }));
const model = v.nullable(
  v.looseObject({ name: text, nLayers: index, nHeads: index, layers: list(v.looseObject({ stages: list(stage) })) }),
);
const panelAblation = v.looseObject({ shown: ablation, wanted: ablation, isRunning: v.boolean(), failure });
const stateFields = {
  ...{ status: v.picklist(['idle', 'loading', 'running', 'done', 'cancelled', 'failed']), analysisId: index },
  ...{ documentLabel: v.nullable(text), model, layersDone: index, isStale: v.boolean(), failure, view },
  ...{ ablation: panelAblation, selectedToken: nullableIndex, selectionAnchor: nullableIndex },
  question: v.nullable(text),
};
const state = v.looseObject({ ...stateFields, tokens });
const comparison = v.nullable(v.looseObject({ status: text, label: text, analysisId: index, model, tokens, failure }));
const ranking = v.nullable(v.looseObject({ status: text, done: index, total: index, effects: list(none), failure }));
const line = v.looseObject({ lineIdx: index, text, weight: figure });
const context = v.looseObject({
  ...{ analysisId: index, options: relevance, range: v.nullable(range), hasWeights: v.boolean(), nLines: index },
  ...{ linesId: index, isBusy: v.boolean(), failure },
  occlusion: v.nullable(v.looseObject({ status: text, total: index, rows: list(line), failure })),
});
const profile = v.looseObject({ weights: floats, surprisalBits: floats, gainBits: floats });
const documentMap = v.nullable(
  v.looseObject({
    ...{ status: text, isStale: v.boolean(), documentLabel: text, selection: text, nTokens: index },
    ...{ lineRange: v.looseObject({ first: index, end: index, of: index }), done: index, total: index, failure },
    ...{ lines: list(v.looseObject({ ...line.entries, strongestAt: index })), profile: v.nullable(profile) },
  }),
);
const overview = v.looseObject({
  ...{ layerIdx: index, headIdx: index, stage, nTokens: index, blockSize: whole(1), size: whole(0, 4096) },
  ...{ scale: figure, cells: v.instance(Int8Array) },
});

/** What the host answers. */
export const panelAnswers: Record<keyof PanelRequests, AnySchema> = {
  ready: state,
  overview: v.pipe(
    overview,
    v.check(({ size, cells }) => cells.length === size * size),
  ),
  tile: v.pipe(
    v.looseObject({ ...rectangle, values: floats }),
    v.check(({ nQueries, nKeys, values }) => values.length === nQueries * nKeys),
  ),
  patch: v.pipe(
    v.looseObject({ ...rectangle, nHeads: index, values: floats }),
    v.check(({ nHeads, nQueries, nKeys, values }) => values.length === nHeads * nQueries * nKeys),
    v.check(({ values }) => values.length <= maxPatchCells),
  ),
  kernels: list(v.looseObject({ part, rows: whole(1), columns: whole(1), values: floats })),
  largestChanges: list(v.looseObject({ queryIdx: index, keyIdx: index, change: figure })),
  setView: nothing,
  selectToken: nothing,
  predictions: v.looseObject({ surprisalBits: floats, k: index, topIds: v.instance(Int32Array), labels: none }),
  rangeWeights: floats,
  context,
  contextLines: v.looseObject({ linesId: index, lines: list(line) }),
  setRelevance: nothing,
  occlude: nothing,
  cancelOcclusion: nothing,
  revealLine: nothing,
  documentMap,
  revealInMap: nothing,
  save: v.boolean(),
  copy: nothing,
  picture: v.looseObject({ sizeBytes: whole(0, 2 ** 31), bytes: v.instance(Uint8Array) }),
  tab: v.nullable(text),
  setTab: nothing,
  command: nothing,
  setAblation: nothing,
  comparison,
  stepAblation: nothing,
  rankAblations: nothing,
  cancelRanking: nothing,
  ranking,
  headMeasures: list(v.record(text, figure)),
  thumbnails: v.looseObject({ size: whole(1, tileSize), scales: floats, cells: v.instance(Int8Array) }),
};

/** What the host tells. */
export const panelEvents: Record<keyof PanelEvents, AnySchema> = {
  tokens: v.looseObject({ analysisId: index, ...tokenList }),
  state: v.partial(v.looseObject({ ...stateFields, surprisalBits: bits })),
  ranking,
  tab: v.looseObject({ tab: text }),
  cell: v.looseObject({ queryIdx: index, keyIdx: index }),
  comparison,
  context,
  documentMap,
};
