/** Runs for other extensions and for assistants, each in a slot of its own: what the panel shows stays as it is. */

import * as vscode from 'vscode';
import type * as api from '../../api/mtaInspector';
import type { Analysis } from '../analysis/analysis';
import type { ChosenModel } from '../analysis/modelChoice';
import { RunDetails } from '../analysis/runDetails';
import { labelOf, lengthOf, type TargetText, textOf } from '../analysis/target';
import { bestHeads } from '../attention/retrievalHeads';
import type { Settings } from '../contributions';
import { failures } from '../errors';
import type { InferenceClient } from '../inference/client';
import type { Slot, TokensEvent } from '../inference/protocol';
import type { LayerResult, ModelSummary, Predictions } from '../shared/analysis';
import { chatRoles } from '../shared/interventions';
import { repeatedWords } from '../shared/retrievalHeads';
import { sliceAround, textReach } from '../shared/tools/documentText';
import { Cancelled } from '../shared/tools/failure';
import { Turns } from '../shared/tools/turns';
import { layerOf, type OfferedRun, offer } from './analysisHandle';

/** Each keeps the model's residual stream. */
const maxOpen = 4;

interface OpenRun {
  readonly analysisId: number;
  readonly slot: Slot;
  readonly onLayer: ((layer: api.Layer) => void) | undefined;
  model?: ModelSummary;
  opened?: TokensEvent;
  readonly layers: LayerResult[];
  predictions?: Predictions;
}

export class AnalysisRuns {
  /** The oldest first. */
  private readonly open: OpenRun[] = [];
  private readonly details: RunDetails;
  /** Who hears the tokens of a continuation, by its id. */
  private readonly continued = new Map<number, (token: api.ContinuedToken) => void>();
  /** With what the panel shows, two documents at most are computed at a time, however many are requested. */
  private readonly turns = new Turns();

  constructor(
    private readonly client: InferenceClient,
    private readonly nextId: Analysis['nextId'],
    private readonly readSettings: () => Settings,
    private readonly chooseModel: (name: string | undefined) => Promise<ChosenModel>,
    private readonly log: vscode.LogOutputChannel,
  ) {
    this.details = new RunDetails(client, analysisId => this.runOf(analysisId));
    client.listen({
      tokens: event => {
        const run = this.find(event.analysisId);
        if (run) run.opened = event;
      },
      layer: ({ analysisId, layer }) => {
        const run = this.find(analysisId);
        run?.layers.push(layer);
        if (run?.model) run.onLayer?.(layerOf(layer, run.model));
      },
      continued: ({ continuationId, token }) => this.continued.get(continuationId)?.(token),
    });
  }

  /** See `MtaInspectorApi.analyze`. */
  async analyze(
    source: string | vscode.TextDocument,
    options: api.AnalyzeOptions = {},
    cancellation?: vscode.CancellationToken,
  ): Promise<api.Analysis> {
    return this.cancellable(cancellation, signal => this.turns.take(() => this.run(source, options, signal), signal));
  }

  /** Work that a token of VS Code cancels. @throws CancellationError then. */
  private async cancellable<T>(
    cancellation: vscode.CancellationToken | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    const watch = cancellation?.onCancellationRequested(() => controller.abort());
    if (cancellation?.isCancellationRequested) controller.abort();
    try {
      return await work(controller.signal);
    } catch (error) {
      throw error instanceof Cancelled ? new vscode.CancellationError() : error;
    } finally {
      watch?.dispose();
    }
  }

  /** See `MtaInspectorApi.continueText`. */
  async continueText(
    source: string | readonly api.ChatMessage[],
    options: api.ContinueOptions,
    cancellation?: vscode.CancellationToken,
  ): Promise<api.Continuation> {
    return this.cancellable(cancellation, signal =>
      this.turns.take(() => this.continueNow(source, options, signal), signal),
    );
  }

  /** See `MtaInspectorApi.chooseHeads`. */
  async chooseHeads(
    source: string | vscode.TextDocument | readonly api.RetrievalExample[],
    options: api.ChooseHeadsOptions = {},
    cancellation?: vscode.CancellationToken,
  ): Promise<readonly api.ScoredHead[]> {
    const examples = examplesOf(source, options.range);
    return this.cancellable(cancellation, signal =>
      this.turns.take(() => this.scoreHeads(examples, options, signal), signal),
    );
  }

  private async scoreHeads(
    examples: readonly api.RetrievalExample[],
    { count, model: named }: api.ChooseHeadsOptions,
    signal: AbortSignal,
  ): Promise<readonly api.ScoredHead[]> {
    const slot: Slot = `api-${this.nextId()}`;
    try {
      const { model } = await this.client.load({ slot, ...(await this.chooseModel(named)) }, signal);
      const n = count === undefined ? undefined : wholeOr(count, count, 1, model.nLayers * model.nHeads);
      return bestHeads(await this.client.scoreHeads({ slot, examples }, signal), n);
    } finally {
      this.client.unload(slot).catch(error => this.log.warn(String(error)));
    }
  }

  private async continueNow(
    source: string | readonly api.ChatMessage[],
    options: api.ContinueOptions,
    signal: AbortSignal,
  ): Promise<api.Continuation> {
    const [text, messages] = typeof source === 'string' ? [source] : ['', messagesOf(source)];
    for (const content of messages?.map(message => message.content) ?? [text]) checkText(content);
    const { onToken, model, firstIds, temperature = 0, topP = 1 } = options;
    const chosenOptions = {
      ...{ nTokens: wholeOr(Number.NaN, options.nTokens, 1, 1 << 20), temperature, topP },
      ...{ seed: wholeOr(0, options.seed, 0, 2 ** 32 - 1), topK: wholeOr(5, options.topK, 0, 1000) },
      ...(firstIds === undefined ? {} : { firstIds: [...firstIds] }),
    };
    if (firstIds?.some(id => !(Number.isInteger(id) && id >= 0))) {
      throw new RangeError(`firstIds has ${firstIds}; use token ids of the model.`);
    }
    if (!(temperature >= 0 && temperature <= 100)) throw new RangeError(`temperature is ${temperature}; use 0 to 100.`);
    if (!(topP >= 0 && topP <= 1)) throw new RangeError(`topP is ${topP}; use 0 to 1.`);
    const continuationId = this.nextId();
    const slot: Slot = `api-${continuationId}`;
    const tokens: api.ContinuedToken[] = [];
    this.continued.set(continuationId, token => {
      tokens.push(token);
      onToken?.(token);
    });
    try {
      await this.client.load({ slot, ...(await this.chooseModel(model)) }, signal);
      return {
        ...(await this.client.continueText({ continuationId, slot, text, messages, ...chosenOptions }, signal)),
        tokens,
      };
    } finally {
      this.continued.delete(continuationId);
      this.client.unload(slot).catch(error => this.log.warn(String(error)));
    }
  }

  private async run(
    source: string | vscode.TextDocument,
    options: api.AnalyzeOptions,
    signal: AbortSignal,
  ): Promise<api.Analysis> {
    const settings = this.readSettings();
    const asked = wholeOr(settings.maxTokens, options.maxTokens, 2, 1 << 20);
    const text =
      typeof source === 'string' ? textOfString(source, options, asked) : textOfDocument(source, options, asked);
    const chosen = await this.chooseModel(options.model);
    const run = this.openRun(options.onLayer);
    const { analysisId, slot } = run;
    try {
      const { model } = await this.client.load({ slot, ...chosen }, signal);
      run.model = model;
      const maxTokens = Math.min(asked, model.maxSeqlen);
      const topK = wholeOr(16, options.topK, 1, 64);
      const args = { ...text, analysisId, slot, maxTokens, topK, memoryBudgetMb: settings.memoryBudgetMb };
      const { predictions, durationMs } = await this.client.analyze(args, signal);
      run.predictions = predictions;
      this.log.info(
        `run ${analysisId}: ${run.opened?.tokens.ids.length} tokens, ${durationMs.toFixed(0)} ms, on request`,
      );
    } catch (error) {
      this.letGo(run);
      throw error;
    }
    return offer(
      () => this.offered(run),
      this.details,
      () => this.letGo(run),
    );
  }

  /** Makes room for a new run. */
  private openRun(onLayer: OpenRun['onLayer']): OpenRun {
    while (this.open.length >= maxOpen) this.letGo(this.open[0]!);
    const analysisId = this.nextId();
    const run: OpenRun = { analysisId, slot: `api-${analysisId}`, onLayer, layers: [] };
    this.open.push(run);
    return run;
  }

  private letGo(run: OpenRun): void {
    const place = this.open.indexOf(run);
    if (place < 0) return;
    this.open.splice(place, 1);
    this.client.unload(run.slot).catch(error => this.log.warn(String(error)));
  }

  private find(analysisId: number): OpenRun | undefined {
    return this.open.find(run => run.analysisId === analysisId);
  }

  private runOf(analysisId: number): OfferedRun | undefined {
    const run = this.find(analysisId);
    return run?.model && run.opened ? this.offered(run) : undefined;
  }

  private offered({ analysisId, model, opened, layers, predictions }: OpenRun): OfferedRun {
    const { window, tokens } = opened!;
    return { ...{ analysisId, model: model!, window, tokens, layers, predictions }, nTokens: tokens.ids.length };
  }
}

function messagesOf(source: readonly api.ChatMessage[]): readonly api.ChatMessage[] {
  if (source.length === 0) throw new RangeError('messages is empty; use at least one.');
  return source.map(({ role, content }) => {
    if (chatRoles.includes(role) && typeof content === 'string') return { role, content };
    throw new RangeError(`a message has the role ${role}; use ${chatRoles.join(', ')}, each with a text as content.`);
  });
}

function checkText(text: string): void {
  const label = vscode.l10n.t('The given text');
  if (!/\S/.test(text)) throw failures.empty(label);
  if (text.includes('\0')) throw failures.binary(label);
}

/** Those given, or those that a text holds by its repeated words. */
function examplesOf(
  source: string | vscode.TextDocument | readonly api.RetrievalExample[],
  range: api.ChooseHeadsOptions['range'],
): readonly api.RetrievalExample[] {
  if (isExamples(source)) {
    if (range) throw new RangeError('range is of a text; leave it out for examples.');
    if (source.length === 0) throw new RangeError('examples is empty; use at least one.');
    return source.map(({ text, query, gold }) => ({ text, query: spanOf(query), gold: spanOf(gold) }));
  }
  const text = typeof source === 'string' ? source : source.getText();
  if (text.includes('\0')) throw failures.binary(vscode.l10n.t('The given text'));
  const examples = repeatedWords(text.slice(range?.start, range?.end).replaceAll('\r\n', '\n'));
  if (examples.length === 0) throw failures.noRepeatedWords();
  return examples;
}

function isExamples(source: unknown): source is readonly api.RetrievalExample[] {
  return Array.isArray(source);
}

function spanOf({ start, end }: { readonly start: number; readonly end: number }) {
  return { start: wholeOr(start, start, 0, 2 ** 30), end: wholeOr(end, end, 0, 2 ** 30) };
}

function textOfDocument(
  document: vscode.TextDocument,
  { range, anchor }: api.AnalyzeOptions,
  maxTokens: number,
): TargetText {
  const target = { document, range: range ?? null, anchor: anchor ?? range?.end ?? lengthOf(document) };
  const { ownLength: _, ...text } = textOf(target, labelOf(document), maxTokens);
  return text;
}

function textOfString(source: string, { range, anchor }: api.AnalyzeOptions, maxTokens: number): TargetText {
  const { start, end } = range ?? { start: 0, end: source.length };
  const place = anchor ?? end;
  const inspected = source.slice(start, end);
  const slice = sliceAround(inspected, Math.max(0, place - start), textReach(maxTokens));
  const label = vscode.l10n.t('The given text');
  if (!/\S/.test(slice.text)) throw failures.empty(label);
  if (slice.text.includes('\0')) throw failures.binary(label);
  return { text: slice.text, textStart: start + slice.start, documentLength: source.length, anchor: place };
}

function wholeOr(fallback: number, value: number | undefined, low: number, high: number): number {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new RangeError(`${value} is out of range; use a whole number from ${low} to ${high}.`);
}
