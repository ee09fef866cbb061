/**
 * The one owner of what is relevant for the selection: how it is measured, the weights, the lines, and the check of both
 * by occluding. Follows the analysis; editor features and panels listen.
 */

import * as vscode from 'vscode';
import { weightByLine } from '../attention/lines';
import { knockOutAgreement, occlusionAgreement } from '../attention/occlusionAgreement';
import { failures } from '../errors';
import type { OccludedEvent } from '../inference/protocol';
import { DisposableStore } from '../lifecycle';
import type { TokenRange } from '../shared/address';
import type { ContextLine, ContextState, OcclusionRow, OcclusionState } from '../shared/panel/context';
import type { PanelState } from '../shared/panel/panelMessages';
import { readRelevance } from '../shared/panel/panelSchemas';
import {
  chosenHeads,
  defaultRelevance,
  hiddenLine,
  type LineRelevance,
  measuredRows,
  type OcclusionMode,
  predictingRows,
  type RelevanceMethod,
  type RelevanceOptions,
} from '../shared/relevance';
import { Cancelled, Failure, toFailureData } from '../shared/tools/failure';
import { isSame } from '../shared/tools/isSame';
import type { Analysis } from './analysis';
import type { OcclusionRuns } from './occlusionRuns';

/** Where the way of measuring is remembered. */
const optionsKey = 'mtaInspector.relevance';
/** Methods that ask many heads wait until the cursor rests. */
const restMs = 120;
const maxLineLength = 160;

export class RelevantContext implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly changed = this.store.add(new vscode.EventEmitter<ContextState>());
  readonly onDidChange = this.changed.event;
  private state: ContextState;
  private shown: readonly unknown[] = [];
  private work = new AbortController();
  private occluding: AbortController | undefined;
  private pending: Promise<void> = Promise.resolve();
  /** Relevance of the rows that are not shown, by line, and the value of `shown` that it belongs to. Only a check needs it. */
  private otherRows:
    | { readonly shown: readonly unknown[]; readonly lines: ReadonlyMap<number, LineRelevance> }
    | undefined;

  constructor(
    private readonly analysis: Analysis,
    private readonly occlusions: OcclusionRuns,
    private readonly memory: vscode.Memento,
    private readonly readMethod: () => RelevanceMethod = () => defaultRelevance.method,
  ) {
    this.state = {
      ...{ analysisId: 0, options: this.rememberedOptions(), range: null },
      ...{ weights: null, lines: [], linesId: 0, isBusy: false, failure: null, occlusion: null },
    };
    this.store.add(analysis.onDidChange(state => this.follow(state)));
    this.store.add(
      vscode.workspace.onDidChangeConfiguration(change => {
        if (change.affectsConfiguration('mtaInspector.relevance')) this.change(this.rememberedOptions());
      }),
    );
  }

  get snapshot(): ContextState {
    return this.state;
  }

  setOptions(options: RelevanceOptions): void {
    void this.memory.update(optionsKey, options);
    this.change(options);
  }

  /** Those that were chosen in this workspace, else what the settings say. */
  private rememberedOptions(): RelevanceOptions {
    return readRelevance(this.memory.get(optionsKey)) ?? { ...defaultRelevance, method: this.readMethod() };
  }

  private change(options: RelevanceOptions): void {
    this.update({ options });
    this.follow(this.analysis.snapshot);
  }

  /** Resolves when the weights of the present selection are there, or cannot be had. */
  async settled(): Promise<ContextState> {
    let waited: Promise<void> | undefined;
    while (waited !== this.pending) {
      waited = this.pending;
      await waited;
    }
    return this.state;
  }

  /**
   * Occludes every line before the selection, the most relevant first, and reports what each does; then hides each from the
   * rows that predict the selection. Resolves when all are done or the check was cancelled. @throws Failure with a message
   * for the user.
   */
  async occlude(mode: OcclusionMode, signal?: AbortSignal): Promise<void> {
    const { range, options } = await this.settled();
    if (!range || !this.state.weights) throw failures.noSelection();
    if (options.direction !== 'attends') throw failures.wrongDirection();
    this.cancelOcclusion();
    const controller = new AbortController();
    this.occluding = controller;
    signal?.addEventListener('abort', () => controller.abort(), { once: true });
    const lines = this.state.lines.filter(({ tokens }) => tokens.first < range.first);
    const spans = lines.map(({ tokens }) => ({ first: tokens.first, end: Math.min(tokens.end, range.first) }));
    let occlusion: OcclusionState = {
      ...{ status: 'running', mode, target: range, total: lines.length, rows: [], baseline: null, failure: null },
      ...{ agreement: occlusionAgreement([]), hiding: null, hidingNote: null },
    };
    const update = (change: Partial<OcclusionState>) => {
      // Relevance may be measured another way by now.
      occlusion = this.withRelevance({ ...occlusion, ...change }, this.state.lines);
      if (this.occluding === controller) this.update({ occlusion });
    };
    update({});
    try {
      void this.measureOtherRows(range, this.analysis.snapshot, controller.signal);
      const onEffect = ({ spanIdx, effect, baseline }: OccludedEvent) => {
        const { lineIdx, text, weight, meanWeight } = lines[spanIdx]!;
        const row = { lineIdx, text, weight, meanWeight, predicting: null, lostBits: null, effect };
        update({ rows: [...occlusion.rows, row], baseline });
      };
      const { analysisId } = this.analysis.snapshot;
      const args = { analysisId, target: range, spans, mode };
      const baseline = await this.occlusions.run(args, onEffect, controller.signal);
      update({ baseline });
      update(await this.hide(occlusion.rows, lines, range, controller.signal));
      update({ status: 'done' });
    } catch (error) {
      if (error instanceof Cancelled) update({ status: 'cancelled' });
      else update({ status: 'failed', failure: toFailureData(error) });
      if (!(error instanceof Cancelled)) throw error;
    } finally {
      if (this.occluding === controller) this.occluding = undefined;
    }
  }

  /** What the selection loses where the rows that predict it may not see a line: the edges are knocked out. */
  private async hide(
    rows: readonly OcclusionRow[],
    lines: readonly ContextLine[],
    range: TokenRange,
    signal: AbortSignal,
  ): Promise<Partial<OcclusionState>> {
    const hidden = lines.flatMap(({ lineIdx, tokens }) => {
      const edges = hiddenLine(tokens, range);
      return edges ? [{ lineIdx, ...edges }] : [];
    });
    const selected = hidden[0]?.rows;
    if (!selected) return {};
    try {
      const { analysisId } = this.analysis.snapshot;
      const cuts = hidden.map(({ keys }) => ({ keys }));
      const request = { analysisId, rows: selected, target: 'actual', cuts } as const;
      const { effects } = await this.analysis.details.knockOuts(request, signal);
      const nRows = selected.end - selected.first;
      const lost = new Map(hidden.map(({ lineIdx }, i) => [lineIdx, -effects[i]!.changeBits / nRows]));
      return {
        rows: rows.map(row => ({ ...row, lostBits: lost.get(row.lineIdx) ?? null })),
        hiding: knockOutAgreement([]),
      };
    } catch (error) {
      if (error instanceof Cancelled || !(error instanceof Failure)) throw error;
      return { hidingNote: error.message };
    }
  }

  cancelOcclusion(): void {
    this.occluding?.abort();
  }

  dispose(): void {
    this.work.abort();
    this.cancelOcclusion();
    this.store.dispose();
  }

  /** Works the weights out anew when what they depend on has changed. */
  private follow(panel: PanelState): void {
    const { options } = this.state;
    const range = this.analysis.selectedRange;
    const isReady = range !== null && panel.layersDone > deepestLayer(options, panel);
    const view = options.method === 'head' ? panel.view : options.heads === 'layer' ? panel.view.layerIdx : null;
    const key = [panel.analysisId, range, options, view, isReady, panel.isStale];
    if (isSame(key, this.shown)) return;
    this.shown = key;
    this.work.abort();
    this.work = new AbortController();
    const isSameTarget = panel.analysisId === this.state.analysisId && isSame(range, this.state.range);
    // A check belongs to its target; another way of measuring leaves its effects as they are.
    if (!isSameTarget) this.cancelOcclusion();
    const kept = isSameTarget ? this.state.occlusion : null;
    const none = { weights: null, lines: [], isBusy: false, failure: null };
    if (!isReady || panel.isStale) {
      this.update({ analysisId: panel.analysisId, range, occlusion: kept, ...none });
      return;
    }
    this.update({ analysisId: panel.analysisId, range, isBusy: true, failure: null, occlusion: kept });
    this.pending = this.measure(range, panel, this.work.signal);
  }

  private async measure(range: TokenRange, panel: PanelState, signal: AbortSignal): Promise<void> {
    const { options } = this.state;
    try {
      if (options.method !== 'head') await rest(restMs, signal);
      const { analysisId, view } = panel;
      const rows = measuredRows(range, options);
      if (!rows) throw failures.noPredictingRow();
      const weights = await this.analysis.details.relevance(options, rows, { analysisId, ...view }, signal);
      if (signal.aborted) return;
      const lines = this.linesOf(weights, range);
      const { occlusion } = this.state;
      this.update({ weights, lines, isBusy: false, occlusion: occlusion && this.withRelevance(occlusion, lines) });
      if (occlusion) void this.measureOtherRows(range, panel, signal);
    } catch (error) {
      if (signal.aborted || error instanceof Cancelled) return;
      this.update({ weights: null, lines: [], isBusy: false, failure: toFailureData(error) });
    }
  }

  /**
   * Brings the relevance of the rows that are not shown, predicting or reading, which a check needs as well; where it cannot
   * be had, comparisons with it are left out.
   */
  private async measureOtherRows(range: TokenRange, panel: PanelState, signal: AbortSignal): Promise<void> {
    const { shown } = this;
    const rows = this.state.options.row === 'predicting' ? range : predictingRows(range);
    if (!rows || this.otherRows?.shown === shown) return;
    const { analysisId, view } = panel;
    const measured = this.analysis.details.relevance(this.state.options, rows, { analysisId, ...view }, signal);
    const weights = await measured.catch(() => null);
    if (!weights || shown !== this.shown) return;
    this.otherRows = { shown, lines: new Map(this.linesOf(weights, range).map(line => [line.lineIdx, line])) };
    const { occlusion, lines } = this.state;
    if (occlusion) this.update({ occlusion: this.withRelevance(occlusion, lines) });
  }

  /** The effects beside the relevance as it is measured now. */
  private withRelevance(occlusion: OcclusionState, lines: readonly ContextLine[]): OcclusionState {
    const isPredicting = this.state.options.row === 'predicting';
    const shown = new Map<number, LineRelevance>(lines.map(line => [line.lineIdx, line]));
    const other = this.otherRows?.shown === this.shown ? this.otherRows.lines : undefined;
    const [reading, predicting] = isPredicting ? [other, shown] : [shown, other];
    const rows = occlusion.rows.map(row => {
      const unknown = isPredicting ? { weight: Number.NaN, meanWeight: Number.NaN } : row;
      const { weight, meanWeight } = reading?.get(row.lineIdx) ?? unknown;
      return { ...row, weight, meanWeight, predicting: predicting?.get(row.lineIdx) ?? null };
    });
    const hidden = rows.flatMap(row => (row.lostBits === null ? [] : [{ ...row, lostBits: row.lostBits }]));
    const hiding = occlusion.hiding && knockOutAgreement(hidden);
    return { ...occlusion, rows, hiding, agreement: occlusionAgreement(rows) };
  }

  private linesOf(weights: Float32Array, range: TokenRange): ContextLine[] {
    const { document } = this.analysis;
    if (!document) return [];
    const textOf = (line: number) => (line < document.lineCount ? document.lineAt(line).text : '');
    return weightByLine(weights, this.analysis.linesOfTokens(), range, textOf)
      .filter(({ lineIdx }) => lineIdx < document.lineCount)
      .map(({ isBlank: _, ...line }) => ({ ...line, text: textOf(line.lineIdx).trim().slice(0, maxLineLength) }));
  }

  private update(change: Partial<ContextState>): void {
    const { lines = this.state.lines } = change;
    const isSame = lines === this.state.lines || lines.length + this.state.lines.length === 0;
    this.state = { ...this.state, ...change, linesId: this.state.linesId + (isSame ? 0 : 1) };
    this.changed.fire(this.state);
  }
}

/** The last layer whose maps a way of measuring asks for. */
function deepestLayer({ method, heads }: RelevanceOptions, { view, model }: PanelState): number {
  if (method === 'head' || !model) return view.layerIdx;
  const chosen = chosenHeads(heads, view.layerIdx, model.nLayers, model.nHeads);
  return chosen.reduce((deepest, { layerIdx }) => Math.max(deepest, layerIdx), 0);
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new Cancelled());
    });
  });
}
