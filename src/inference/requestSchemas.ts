/**
 * Schemas of requests to the inference process, checked first: a NaN could keep it in a loop, a number too large take all
 * memory. Whether a run has the layer that a request names is up to its handler.
 */

import * as v from 'valibot';
import { quantizedWeights } from '../shared/analysis';
import { headBaselines } from '../shared/headAblation';
import { chatRoles, patchKinds } from '../shared/interventions';
import { kernelParts } from '../shared/kernels';
import { stages } from '../shared/operators';
import { occlusionModes, quantities } from '../shared/relevance';
import { finite, whole } from '../shared/tools/schema';
import type { InferenceRequests } from './protocol';

type AnySchema = v.GenericSchema<unknown, unknown>;

const index = whole();
const text = v.string();
const topK = whole(0, 1_000_000);
const maxTokens = whole(1, 2 ** 31);
const slot = v.pipe(text, v.regex(/^(main|compare|api-\d+)$/));
const list = <T extends AnySchema>(item: T) => v.pipe(v.array(item), v.maxLength(1_000_000));
const range = v.looseObject({ first: index, end: index });
const textSpan = v.looseObject({ start: index, end: index });
const heads = list(v.looseObject({ layerIdx: index, headIdx: index }));
const method = text;
const stage = v.picklist(stages);
const quantity = v.optional(v.picklist(quantities));
const run = { analysisId: index };
const target = v.union([v.picklist(['actual', 'predicted']), index]);
const layer = { ...run, layerIdx: index };
const rectangle = { queryStart: index, keyStart: index, nQueries: index, nKeys: index };

const cuts = list(
  v.looseObject({
    ...{ keys: range, queries: v.optional(range), layers: v.optional(list(index)), heads: v.optional(heads) },
  }),
);
const change = v.variant('kind', [
  v.looseObject({ kind: v.literal('heads'), heads, baseline: v.picklist(headBaselines) }),
  v.looseObject({ kind: v.literal('edges'), cuts }),
  v.looseObject({
    ...{ kind: v.literal('patch'), what: v.picklist(['residual', 'head', 'mlp']), layerIdx: index },
    ...{ headIdx: v.nullable(index), tokens: v.nullable(range), otherId: index },
  }),
  // Its edits are checked against the model.
  v.looseObject({ kind: v.literal('kernels') }),
]);

export const requestSchemas: Record<keyof InferenceRequests, AnySchema> = {
  ping: v.unknown(),
  load: v.looseObject({
    ...{ protocolVersion: v.number(), slot: v.optional(slot), modelDirectory: text, provider: text },
    nThreads: whole(0, 1024),
    quantizedWeights: v.optional(v.picklist(quantizedWeights)),
    remote: v.optional(v.looseObject({ url: text, model: text, timeoutMs: finite(), retries: whole(0, 1000) })),
  }),
  unload: v.looseObject({ slot }),
  summarizeFolder: v.looseObject({ path: text }),
  describeFolder: v.looseObject({ path: text }),
  hasChatTemplate: v.looseObject({ path: text }),
  findModels: v.looseObject({ path: text }),
  modelFacts: v.looseObject({ path: text }),
  configFacts: v.looseObject({ sizeBytes: index }),
  analyze: v.looseObject({
    ...{ ...run, slot: v.optional(slot), text, textStart: index, documentLength: index },
    ...{ anchor: finite(), windowStart: v.optional(finite()), isPinned: v.optional(v.boolean()), maxTokens, topK },
    memoryBudgetMb: v.optional(v.pipe(finite(), v.minValue(0))),
  }),
  overview: v.looseObject({ ...layer, stage }),
  tile: v.looseObject({ ...layer, headIdx: index, stage, ...rectangle }),
  patch: v.looseObject({ ...layer, stage, ...rectangle }),
  // Its edits are checked against the model.
  ablate: v.looseObject({ ...run, baseId: index, topK }),
  rankAblations: v.looseObject({ ...run, withHeads: v.boolean() }),
  headMeasures: v.looseObject({ ...layer, quantity }),
  kernels: v.looseObject(layer),
  kernelHistory: v.looseObject(layer),
  largestChanges: v.looseObject({ ...layer, headIdx: index, part: v.picklist(kernelParts), k: topK }),
  relevance: v.looseObject({
    ...{ ...run, range, direction: v.picklist(['attends', 'attendedBy']), method, heads, stage, quantity },
  }),
  explain: v.looseObject({
    ...{ ...run, row: index, target, minus: v.optional(index) },
    cells: v.optional(list(v.looseObject({ layerIdx: index, headIdx: index, keyIdx: index }))),
  }),
  lens: v.looseObject({ ...run, rows: range, target, k: whole(1, 1000) }),
  knockOuts: v.looseObject({ ...run, rows: range, target, cuts }),
  patchParts: v.looseObject({
    ...{ ...run, row: index, target, minus: v.optional(index), what: v.picklist(patchKinds) },
    from: v.union([v.picklist(headBaselines), v.looseObject({ ids: v.instance(Int32Array), isAligned: v.boolean() })]),
  }),
  continueText: v.looseObject({
    ...{ continuationId: index, slot: v.optional(slot), text, nTokens: whole(1, 1_000_000), seed: index },
    temperature: v.pipe(finite(), v.minValue(0)),
    topP: v.pipe(finite(), v.minValue(0), v.maxValue(1)),
    topK: whole(0, 1000),
    firstIds: v.optional(list(index)),
    messages: v.optional(list(v.looseObject({ role: v.picklist(chatRoles), content: text }))),
  }),
  change: v.looseObject({ ...run, baseId: index, change, keeps: v.boolean() }),
  ablateHeads: v.looseObject({ ...run, heads, baseline: v.picklist(headBaselines) }),
  occlude: v.looseObject({
    ...{ ...run, occlusionId: index, target: range, spans: list(range), mode: v.picklist(occlusionModes) },
  }),
  scoreHeads: v.looseObject({
    slot: v.optional(slot),
    examples: list(v.looseObject({ text, query: textSpan, gold: textSpan })),
  }),
  readSearchText: v.looseObject({ textId: index, start: index, firstLine: index, text }),
  searchDocument: v.looseObject({
    ...{ searchId: index, textId: index, method, heads, stage, maxTokens },
    rows: v.optional(v.picklist(['reading', 'predicting'])),
    probe: v.looseObject({ text, start: index, selectionStart: index }),
  }),
};
