/**
 * What messages between host and webview look like: each end checks what it receives before it acts on it. Only their
 * form; whether a model has the layer that a request names is for its handler to say.
 *
 * The schemas are tied to the types in panelMessages.ts: a field that is renamed there does not compile here.
 */

import * as v from 'valibot';
import type { HeadRef } from '../address';
import { maxPatchCells, tileSize } from '../attentionMap';
import { type ColorMap, colorMaps, scaleKinds } from '../colorScale';
import { headBaselines } from '../headAblation';
import { kernelParts } from '../kernels';
import { viewIdPattern } from '../link';
import { stages } from '../operators';
import { occlusionModes, type RelevanceOptions, relevanceMethods, rowKinds } from '../relevance';
import { type Schema, whole } from '../tools/schema';
import { exportFormats } from './exportFormats';
import { maxThumbnails, type PanelEvents, type PanelRequests, panelCommands } from './panelMessages';

type AnySchema = v.GenericSchema<unknown, unknown>;
type Arguments = { readonly [Name in keyof PanelRequests]: Parameters<PanelRequests[Name]>[0] };
type Answers = { readonly [Name in keyof PanelRequests]: ReturnType<PanelRequests[Name]> };

/** Schemas that check only some fields of `Types`: each of those fields must be there, with a type that fits. */
function formsOf<Types>() {
  return <Schemas extends { readonly [Name in keyof Types]: AnySchema }>(
    schemas: Schemas & {
      readonly [Name in keyof Types]: Types[Name] extends v.InferOutput<Schemas[Name]> ? AnySchema : never;
    },
  ): { readonly [Name in keyof Types]: AnySchema } => schemas;
}

const none = v.object({});
const index = whole();
const nothing = v.unknown();
const text = v.string();
/** A number, or none: NaN where it is not computed or not there, which the way to the webview makes null. */
const figure = v.nullable(v.union([v.number(), v.nan()]));
const floats: Schema<Float32Array> = v.instance(Float32Array);
const offsets: Schema<Uint32Array> = v.instance(Uint32Array);
const ids: Schema<Int32Array> = v.instance(Int32Array);
const cells: Schema<Int8Array> = v.instance(Int8Array);
const bytes: Schema<Uint8Array> = v.instance(Uint8Array);
const stage = v.picklist(stages);
const direction = v.picklist(['attends', 'attendedBy']);
const range = v.object({ first: index, end: index });
const head = v.object({ layerIdx: index, headIdx: index });
const run = v.object({ analysisId: index });
const layer = v.object({ ...run.entries, layerIdx: index });
const map = v.object({ ...layer.entries, headIdx: index, stage });
const rectangle = { queryStart: index, keyStart: index, nQueries: index, nKeys: index };
const cell = v.object({ queryIdx: index, keyIdx: index });
const part = v.picklist(kernelParts);
const view = v.object({ layerIdx: index, headIdx: index, stage, difference: v.boolean() });
const style = { colorMap: v.picklist(Object.keys(colorMaps) as ColorMap[]), scale: v.picklist(scaleKinds) };
const some = v.pipe(
  v.object(rectangle),
  v.check(({ nQueries, nKeys }) => nQueries > 0 && nKeys > 0),
);
const exported = { ...style, part: v.nullable(some), isAllStages: v.boolean() };
const exporting = v.object({ ...exported, format: v.picklist(exportFormats) });
const nullableIndex = v.nullable(index);
const maxList = 1_000_000;
const list = <const T extends AnySchema>(item: T) => v.pipe(v.array(item), v.maxLength(maxList), v.readonly());

const edit = v.object({
  part: v.nullable(part),
  layerIdx: nullableIndex,
  headIdx: nullableIndex,
  weights: v.nullable(list(v.number())),
});
const ablation = v.object({ scope: v.picklist(['model', 'layer']), edits: list(edit) });
/** More heads than any model on a desk has. */
const maxHeads = 4096;
const heads = v.pipe(v.array(head), v.minLength(1), v.maxLength(maxHeads), v.readonly());
const edgeCut = v.object({
  keys: range,
  queries: v.optional(range),
  layers: v.optional(list(index)),
  heads: v.optional(heads),
});
const change = v.variant('kind', [
  v.object({ kind: v.literal('heads'), heads, baseline: v.picklist(headBaselines) }),
  v.object({ kind: v.literal('edges'), cuts: v.pipe(list(edgeCut), v.minLength(1)) }),
  v.object({
    ...{ kind: v.literal('patch'), what: v.picklist(['residual', 'head', 'mlp']), layerIdx: index },
    ...{ headIdx: nullableIndex, tokens: v.nullable(range), otherId: index },
  }),
  v.object({ kind: v.literal('kernels'), ablation }),
]);
/** Also of what was saved. Heads that the model lacks are left out where they are used. */
export const relevanceOptions: Schema<RelevanceOptions> = v.object({
  method: v.picklist(relevanceMethods),
  direction,
  heads: v.union([v.picklist(['layer', 'all']), heads]),
  row: v.optional(v.picklist(rowKinds)),
});

/** The way of measuring as whichever version saved it; null for what is none. */
export function readRelevance(value: unknown): RelevanceOptions | null {
  const read = v.safeParse(relevanceOptions, value);
  return read.success ? read.output : null;
}

/** Chosen heads by the name of their model, as whichever version saved them; none for what is not that. */
export function readChosenHeads(value: unknown): Readonly<Record<string, readonly HeadRef[]>> {
  const read = v.safeParse(v.record(v.string(), heads), value);
  return read.success ? read.output : {};
}

/** Arguments of what the webview requests. Fields that are not named here are dropped. */
export const panelArguments = {
  ready: none,
  overview: map,
  tile: v.pipe(
    v.object({ ...map.entries, ...rectangle }),
    v.check(({ nQueries, nKeys }) => nQueries === 1 || (nQueries <= tileSize && nKeys <= tileSize)),
  ),
  patch: v.object({ ...layer.entries, ...rectangle, stage }),
  kernels: layer,
  kernelHistory: layer,
  largestChanges: v.object({ ...layer.entries, headIdx: index, part }),
  setView: view,
  selectToken: v.object({
    tokenIdx: nullableIndex,
    anchorIdx: v.optional(nullableIndex, null),
    reveal: v.boolean(),
  }),
  predictions: run,
  answer: v.object({ ...run.entries, row: index, target: v.picklist(['actual', 'predicted']) }),
  change: v.object({ ...run.entries, change, keeps: v.boolean() }),
  ablateHeads: v.object({ ...run.entries, heads, baseline: v.picklist(headBaselines) }),
  hide: v.object({
    ...{ ...run.entries, row: index, targetId: index },
    keys: v.pipe(
      range,
      v.check(({ first, end }) => first < end),
    ),
  }),
  rangeWeights: v.object({
    ...map.entries,
    range: v.pipe(
      range,
      v.check(({ first, end }) => first < end),
    ),
    direction,
  }),
  context: none,
  contextLines: none,
  setRelevance: relevanceOptions,
  occlude: v.object({ mode: v.picklist(occlusionModes) }),
  cancelOcclusion: none,
  revealLine: v.object({ lineIdx: index }),
  showPlace: v.object({ queryIdx: index, keyIdx: index }),
  documentSearch: none,
  revealInDocument: v.object({ offset: index }),
  save: exporting,
  copy: exporting,
  picture: v.object({ ...exported, partIdx: index }),
  tab: none,
  setTab: v.object({ tab: v.pipe(text, v.regex(viewIdPattern)) }),
  command: v.object({ command: v.picklist(panelCommands) }),
  setAblation: ablation,
  comparison: none,
  stepAblation: v.object({ step: v.picklist(['undo', 'redo', 'reset']) }),
  rankAblations: v.object({ withHeads: v.boolean() }),
  cancelRanking: none,
  ranking: none,
  headMeasures: layer,
  thumbnails: v.object({ ...layer.entries, headStart: index, nHeads: whole(1, maxThumbnails) }),
} satisfies { readonly [Name in keyof PanelRequests]: Schema<Arguments[Name]> };

const failure = v.nullable(v.object({ code: text, message: text, actions: list(text) }));
const bits = v.nullable(floats);
const tokenList = { labels: list(text), offsets };
const tokens = v.nullable(v.object({ ...tokenList, surprisalBits: bits }));
const model = v.nullable(
  v.object({ name: text, nLayers: index, nHeads: index, layers: list(v.object({ stages: list(stage) })) }),
);
const panelAblation = v.object({ shown: ablation, requested: ablation, isRunning: v.boolean(), failure });
const stateFields = {
  ...{ status: v.picklist(['idle', 'loading', 'running', 'done', 'cancelled', 'failed']), analysisId: index },
  ...{ documentLabel: v.nullable(text), model, layersDone: index, isStale: v.boolean(), failure, view },
  ...{ ablation: panelAblation, selectedToken: nullableIndex, selectionAnchor: nullableIndex },
  suggestion: v.nullable(range),
  question: v.nullable(text),
  otherInFront: v.nullable(text),
};
const state = v.object({ ...stateFields, tokens });
const comparison = v.nullable(v.object({ status: text, label: text, analysisId: index, model, tokens, failure }));
const ranking = v.nullable(v.object({ status: text, done: index, total: index, effects: list(none), failure }));
const line = v.object({ lineIdx: index, text, weight: figure });
const context = v.object({
  ...{ analysisId: index, options: relevanceOptions, range: v.nullable(range), hasWeights: v.boolean(), nLines: index },
  ...{ linesId: index, isBusy: v.boolean(), failure },
  occlusion: v.nullable(v.object({ status: text, total: index, rows: list(line), failure })),
});
const profile = v.object({ weights: floats, surprisalBits: floats, gainBits: floats });
const documentSearch = v.nullable(
  v.object({
    ...{ status: text, isStale: v.boolean(), documentLabel: text, selection: text, nTokens: index },
    ...{ lineRange: v.object({ first: index, end: index, of: index }), done: index, total: index, failure },
    ...{ lines: list(v.object({ ...line.entries, strongestAt: index })), profile: v.nullable(profile) },
  }),
);
const overview = v.object({
  ...{ layerIdx: index, headIdx: index, stage, nTokens: index, blockSize: whole(1), size: whole(0, 4096) },
  ...{ scale: figure, cells },
});

const headMeasures = v.object({
  ...{ entropyBits: figure, meanDistance: figure, previousToken: figure, induction: figure },
  ...{ duplicateToken: figure, ownToken: figure, nearShare: figure, evenness: figure },
  ...{ sinkShare: figure, copying: figure, preConvChange: figure, postConvChange: figure, contextScore: figure },
});

const namedToken = v.object({ id: index, text });
const answerLine = v.object({ lineIdx: index, text, value: figure, tokens: range, strongestIdx: index });
const answerHead = v.object({ ...head.entries, value: figure, keyIdx: index, keyValue: figure });
const answerParts = v.object({
  ...{ logit: figure, embedding: figure, heads: figure, mlps: figure, other: figure, remainder: figure },
  cap: v.nullable(v.number()),
});

const kernels = list(v.object({ part, rows: whole(1), columns: whole(1), values: floats }));

/** What the host answers. */
export const panelAnswers = formsOf<Answers>()({
  ready: state,
  overview: v.pipe(
    overview,
    v.check(({ size, cells }) => cells.length === size * size),
  ),
  tile: v.pipe(
    v.object({ ...rectangle, values: floats }),
    v.check(({ nQueries, nKeys, values }) => values.length === nQueries * nKeys),
  ),
  patch: v.pipe(
    v.object({ ...rectangle, nHeads: index, values: floats }),
    v.check(({ nHeads, nQueries, nKeys, values }) => values.length === nHeads * nQueries * nKeys),
    v.check(({ values }) => values.length <= maxPatchCells),
  ),
  kernels,
  kernelHistory: v.nullable(v.object({ steps: list(index), snapshots: list(kernels) })),
  largestChanges: list(v.object({ ...cell.entries, change: figure })),
  setView: nothing,
  selectToken: nothing,
  predictions: v.object({ surprisalBits: floats, k: index, topIds: ids, labels: none }),
  answer: v.object({
    ...{ measure: v.picklist(['logit', 'attention']), note: text, target: v.nullable(namedToken) },
    ...{ ownLine: figure, outside: figure, frozen: none, lines: list(answerLine), heads: list(answerHead) },
    parts: v.nullable(answerParts),
  }),
  change: v.object({ ...run.entries, klBits: floats, meanKlBits: figure, changeBits: floats, meanChangeBits: figure }),
  ablateHeads: v.object({ klBits: floats, meanKlBits: figure, changeBits: floats, meanChangeBits: figure }),
  hide: v.object({ lostBits: figure, topLabel: text, topProbability: figure }),
  rangeWeights: floats,
  context,
  contextLines: v.object({ linesId: index, lines: list(line) }),
  setRelevance: nothing,
  occlude: nothing,
  cancelOcclusion: nothing,
  revealLine: nothing,
  showPlace: nothing,
  documentSearch,
  revealInDocument: nothing,
  save: v.boolean(),
  copy: nothing,
  picture: v.object({ sizeBytes: whole(0, 2 ** 31), bytes }),
  tab: v.nullable(text),
  setTab: nothing,
  command: nothing,
  setAblation: nothing,
  comparison,
  stepAblation: nothing,
  rankAblations: nothing,
  cancelRanking: nothing,
  ranking,
  headMeasures: list(headMeasures),
  thumbnails: v.object({ size: whole(1, tileSize), scales: floats, cells }),
});

/** Events that the host sends. */
export const panelEvents = formsOf<PanelEvents>()({
  tokens: v.object({ analysisId: index, ...tokenList }),
  state: v.partial(v.object({ ...stateFields, surprisalBits: bits })),
  ranking,
  tab: v.object({ tab: text }),
  cell,
  comparison,
  context,
  documentSearch,
});
