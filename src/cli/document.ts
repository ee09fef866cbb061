/** Runs the engine on a file for the command line and keeps everything it says. */

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { lineAt, lineStartsOf } from '../attention/lines';
import { windowJson } from '../export/mapText';
import type { ExportSource, MapChoice } from '../export/source';
import { Engine } from '../inference/engine';
import type { Emit, TokensEvent } from '../inference/protocol';
import type { LayerResult, Predictions, ProviderSetting } from '../shared/analysis';
import { effectiveStage, type Stage } from '../shared/attentionMap';
import { withQuestion } from '../shared/panel/question';
import { Failure } from '../shared/tools/failure';
import { resolveModel } from './modelPaths';

/** A model and what runs it. */
export interface EngineChoice {
  readonly model: string | undefined;
  readonly provider: ProviderSetting;
  /** Address of a server that runs the layers; `model` is then the served model's name. */
  readonly remote?: string | undefined;
}

export interface DocumentOptions extends EngineChoice {
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

/** Text of a file. @throws Failure if it cannot be read or is binary. */
export function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new Failure('no-file', `Cannot read ${file}: ${(error as Error).message}.`);
  }
  if (bytes.includes(0)) {
    throw new Failure('binary', `Cannot inspect ${file}: it contains NUL bytes and is no text. Name a text file.`);
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

/** The token of a remote server comes from the environment: command lines are seen by others. */
export function loadEngine({ model, provider, remote: url }: EngineChoice, emit: Emit = () => {}): Promise<Engine> {
  if (url === undefined) return Engine.load({ modelDirectory: resolveModel(model), provider, nThreads: 0 }, emit);
  const token = process.env['MTA_INSPECTOR_TOKEN'] || null;
  const caFile = process.env['MTA_INSPECTOR_CA'] ?? '';
  const remote = { url, model: model ?? '', token, timeoutMs: remoteTimeoutMs, retries: 5, caFile };
  return Engine.load({ modelDirectory: '', provider, nThreads: 0, remote }, emit);
}

const remoteTimeoutMs = 60_000;

/** Analyses one file's window. The caller releases `engine`. */
export async function analyzeFile(file: string, options: DocumentOptions): Promise<AnalyzedDocument> {
  const written = readText(file);
  const text = options.question === undefined ? written : withQuestion(written, options.question);
  const layers: LayerResult[] = [];
  let opened: TokensEvent | undefined;
  const engine = await loadEngine(options, (name, payload) => {
    options.listen?.(name, payload);
    if (name === 'tokens') opened = payload as TokensEvent;
    if (name === 'layer') layers.push((payload as { layer: LayerResult }).layer);
    if (name === 'provider') process.stderr.write(`${(payload as { note: string }).note}\n`);
  });
  // A window's worth of text around the place asked for is enough; no token is longer than this many characters.
  const maxTokens = options.maxTokens ?? engine.model.maxSeqlen;
  const reach = maxTokens * 64;
  const { windowStart } = options;
  const start = windowStart ?? Math.max(0, text.lastIndexOf('\n', Math.max(0, options.at - reach)) + 1);
  const slice = text.slice(start, (windowStart ?? options.at) + reach);
  const answer = await engine.analyze({
    analysisId: documentRun,
    text: slice,
    textStart: start,
    documentLength: text.length,
    anchor: options.at,
    windowStart,
    isPinned: windowStart !== undefined,
    maxTokens,
    topK: options.topK,
  });
  const { tokens, window } = opened!;
  const { predictions, durationMs } = answer;
  return { engine, name: basename(file), text, tokens, window, layers, predictions, durationMs };
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
  readonly model: { readonly name: string; readonly n_layers: number; readonly n_heads: number };
  readonly provider: string;
  readonly tokens: number;
  readonly window: { readonly start: number; readonly end: number; readonly document_length: number };
}

export function documentJson({ engine, name, tokens, window }: AnalyzedDocument): DocumentJson {
  const { model, provider } = engine;
  return {
    file: name,
    model: { name: model.name, n_layers: model.nLayers, n_heads: model.nHeads },
    provider,
    tokens: tokens.ids.length,
    window: windowJson(window),
  };
}

/** The document as exports read it. */
export function sourceOf(document: AnalyzedDocument): ExportSource {
  const { engine, name, text, tokens, window, layers, predictions, durationMs } = document;
  const starts = lineStartsOf(text);
  const line = (offset: number) => lineAt(starts, offset) + 1;
  return {
    ...{ name, tokens, window, predictions, durationMs, ablation: null },
    model: engine.model,
    provider: engine.provider,
    windowLines: { first: line(window.start), last: line(window.end), of: starts.length },
    overview: async (layerIdx, stage) =>
      layers[layerIdx]?.overviews.find(overview => overview.stage === stage) ??
      engine.details.overview({ analysisId: 1, layerIdx, stage }),
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
  return { ...chosen, shownStage: effectiveStage(layers[chosen.layer]!.stages, chosen.stage) };
}

function outside(what: string, value: number, count: number): Failure {
  return new Failure('bad-usage', `There is no ${what} ${value}: the model has ${what}s 0 to ${count - 1}.`);
}
