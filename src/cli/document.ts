/** Runs the engine on a file for the command line and keeps everything it says. */

import { basename } from 'node:path';
import { lineAt, lineSpan, lineStartsOf } from '../attention/lines';
import { type ModelJson, modelJson, windowJson } from '../export/mapText';
import { codePointOffsets, type ExportSource, type MapChoice } from '../export/source';
import { Engine } from '../inference/engine';
import type { Emit, TokensEvent } from '../inference/protocol';
import type { LayerResult, Predictions, ProviderSetting, QuantizedWeights } from '../shared/analysis';
import { effectiveStage, offeredStages } from '../shared/attentionMap';
import type { Stage } from '../shared/operators';
import { withQuestion } from '../shared/panel/question';
import { sliceAround, sliceFrom, textReach } from '../shared/tools/documentText';
import { Failure } from '../shared/tools/failure';
import { resolveModel } from './modelPaths';
import { report } from './output';
import { readDocument } from './readDocument';
import { oneLine } from './terminal';

/** A model and what runs it. */
export interface EngineChoice {
  readonly model: string | undefined;
  readonly provider: ProviderSetting;
  /** Default: packed. */
  readonly quantizedWeights?: QuantizedWeights;
  /** Address of a server that runs the layers; `model` is then the served model's name. */
  readonly remote?: string | undefined;
}

export interface DocumentOptions extends EngineChoice {
  /** As `readDocument` takes it. */
  readonly encoding?: string | undefined;
  /** Longest window; the model's context when absent. */
  readonly maxTokens: number | undefined;
  /** UTF-16 offset the window must contain when the file is longer. */
  readonly at: number;
  /** UTF-16 offset where the window begins, as one in the editor that was pinned or has stayed; absent: around `at`. */
  readonly windowStart?: number | undefined;
  readonly topK: number;
  /** Appended to the text for the model. */
  readonly question?: string;
  /** Hears every event of the engine. */
  readonly listen?: Emit;
}

export interface AnalyzedDocument {
  readonly engine: Engine;
  readonly name: string;
  readonly text: string;
  readonly tokens: TokensEvent['tokens'];
  readonly window: TokensEvent['window'];
  readonly layers: readonly LayerResult[];
  readonly predictions: Predictions;
  readonly durationMs: number;
}

/** The token of a remote server comes from the environment: command lines are seen by others. */
export async function loadEngine(
  { model, provider, quantizedWeights, remote: url }: EngineChoice,
  emit: Emit = () => {},
): Promise<Engine> {
  if (url === undefined) {
    return Engine.load({ modelDirectory: await resolveModel(model), provider, nThreads: 0, quantizedWeights }, emit);
  }
  const token = process.env['MTA_INSPECTOR_TOKEN'] || null;
  const caFile = process.env['MTA_INSPECTOR_CA'] ?? '';
  const remote = { url, model: model ?? '', token, timeoutMs: remoteTimeoutMs, retries: 5, caFile };
  return Engine.load({ modelDirectory: '', provider, nThreads: 0, remote }, emit);
}

const remoteTimeoutMs = 60_000;

/**
 * Analyzes one file's window, cut from the document as the panel cuts it. The caller releases `engine`.
 * @throws Failure `bad-usage` for a place outside of the file.
 */
export async function analyzeFile(file: string, options: DocumentOptions): Promise<AnalyzedDocument> {
  const written = readDocument(file, options.encoding).text;
  if (options.question === undefined) checkNotBlank(file, written);
  const text = options.question === undefined ? written : withQuestion(written, options.question);
  const { windowStart, at } = options;
  checkOffset('--at', at, text);
  if (windowStart !== undefined) checkOffset('--window-start', windowStart, text);
  const layers: LayerResult[] = [];
  let opened: TokensEvent | undefined;
  const engine = await loadEngine(options, (name, payload) => {
    options.listen?.(name, payload);
    if (name === 'tokens') opened = payload as TokensEvent;
    if (name === 'layer') layers.push((payload as { layer: LayerResult }).layer);
    if (name === 'provider') report(oneLine((payload as { note: string }).note));
  });
  const maxTokens = windowSize(engine, options.maxTokens);
  const reach = textReach(maxTokens);
  const slice = windowStart === undefined ? sliceAround(text, at, reach) : sliceFrom(text, windowStart, reach);
  const answer = await engine.analyze({
    analysisId: documentRun,
    text: slice.text,
    textStart: slice.start,
    documentLength: text.length,
    anchor: at,
    windowStart,
    isPinned: windowStart !== undefined,
    maxTokens,
    topK: Math.min(options.topK, longestTopKeys),
  });
  const { tokens, window } = opened!;
  const { predictions, durationMs } = answer;
  return { engine, name: basename(file), text, tokens, window, layers, predictions, durationMs };
}

/** Keys that the engine keeps of each query; those of an answer are taken from the whole map. */
const longestTopKeys = 64;

/** Tokens of the longest window. @throws Failure `bad-usage` for more than the model's context. */
export function windowSize({ model }: Engine, maxTokens: number | undefined): number {
  if (maxTokens !== undefined && maxTokens > model.maxSeqlen) {
    throw new Failure(
      'bad-usage',
      `--max-tokens is ${maxTokens}, expected at most ${model.maxSeqlen}, the context of the model "${model.name}".`,
    );
  }
  return maxTokens ?? model.maxSeqlen;
}

/** @throws Failure `empty` */
export function checkNotBlank(file: string, text: string): void {
  if (/\S/.test(text)) return;
  throw new Failure('empty', `Cannot inspect ${file}: it has no text but blanks. Write something first.`);
}

/** @throws Failure `bad-usage` for a place outside of the file. */
export function checkOffset(option: string, offset: number, { length }: string): void {
  if (offset <= length) return;
  throw new Failure('bad-usage', `${option} is ${offset}, expected at most ${length}, the end of the file.`);
}

/** The id of a document's run. */
export const documentRun = 1;

/** One head's stage, [query, key] at full precision. */
export async function headMap(
  document: AnalyzedDocument,
  layerIdx: number,
  headIdx: number,
  stage: Stage,
): Promise<Float32Array> {
  const nTokens = document.tokens.ids.length;
  const rectangle = { queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens };
  return (await document.engine.details.tile({ analysisId: documentRun, layerIdx, headIdx, stage, ...rectangle }))
    .values;
}

/** What the JSON about a whole document begins with. */
export interface DocumentJson {
  readonly file: string;
  readonly model: ModelJson;
  readonly provider: string;
  readonly tokens: number;
  readonly window: { readonly start: number; readonly end: number; readonly document_length: number };
}

export function documentJson({ engine, name, tokens, window }: AnalyzedDocument): DocumentJson {
  const { model, provider } = engine;
  return {
    file: name,
    model: modelJson(model),
    provider,
    tokens: tokens.ids.length,
    window: windowJson(window),
  };
}

/** The document as exports read it. */
export function sourceOf(document: AnalyzedDocument): ExportSource {
  const { engine, name, text, tokens, window, layers, predictions, durationMs } = document;
  const starts = lineStartsOf(text);
  return {
    ...{ name, tokens, window, predictions, durationMs, ablation: null },
    model: engine.model,
    provider: engine.provider,
    windowLines: lineSpan(window, offset => lineAt(starts, offset), text.length),
    codePointOffsets: () => codePointOffsets(text, tokens.offsets),
    overview: async (layerIdx, stage) =>
      layers[layerIdx]?.overviews.find(overview => overview.stage === stage) ??
      engine.details.overview({ analysisId: 1, layerIdx, stage }),
    headMeasures: layerIdx => engine.details.headMeasures({ analysisId: documentRun, layerIdx }),
    map: (layerIdx, headIdx, stage) => headMap(document, layerIdx, headIdx, stage),
  };
}

/** @throws Failure if the model has no such layer or head. */
export function chooseMap(
  engine: Engine,
  { layer, head, stage }: { layer?: number | undefined; head?: number | undefined; stage?: Stage | undefined },
): MapChoice {
  const { layers, nLayers, nHeads } = engine.model;
  const firstWithKernel = layers.findIndex(candidate => candidate.preSoftmaxKernel);
  const chosen = { layer: layer ?? Math.max(0, firstWithKernel), head: head ?? 0, stage: stage ?? 'mixed_pattern' };
  if (!(chosen.layer < nLayers)) throw outside('layer', chosen.layer, nLayers);
  if (!(chosen.head < nHeads)) throw outside('head', chosen.head, nHeads);
  const offered = offeredStages(layers);
  if (stage !== undefined && !offered.includes(stage)) {
    throw new Failure(
      'bad-usage',
      `There is no stage ${stage}: the layers of the model "${engine.model.name}" have ${offered.join(', ')} only.`,
    );
  }
  return { ...chosen, shownStage: effectiveStage(layers[chosen.layer]!.stages, chosen.stage) };
}

function outside(what: string, value: number, count: number): Failure {
  return new Failure(
    'bad-usage',
    `There is no ${what} ${value}: the model has ${count === 1 ? `${what} 0 only` : `${what}s 0 to ${count - 1}`}.`,
  );
}
