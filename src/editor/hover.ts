/** Hovering a word of the inspected document: how well it was predicted, and the places that it attends to most. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import type { RelevantContext } from '../analysis/relevantContext';
import { strongestWords } from '../attention/strongestWords';
import { commands } from '../contributionIds';
import type { Settings } from '../contributions';
import { commandLink, markdown } from '../messages';
import { describeAblation } from '../shared/ablation';
import type { TokenRange } from '../shared/address';
import { effectiveStage } from '../shared/attentionMap';
import { formatPercent, formatValue, stageInText, withLocalMark } from '../shared/labels';
import { textOfTokens, wordAt } from '../shared/places';
import { measuredRows } from '../shared/relevance';
import { codeSpan } from '../shared/tools/markdown';
import { describeHeads } from './relevancePicker';

/** Places and predictions listed; the panel has them all. */
const nListed = 3;
/** Longest bar, in characters. */
const barLength = 5;

/** Registered for all languages by `*`, which ranks behind the hovers of the language itself. */
export class AttentionHover implements vscode.HoverProvider {
  constructor(
    private readonly analysis: Analysis,
    private readonly context: RelevantContext,
    private readonly readSettings: () => Settings,
  ) {}

  async provideHover(
    document: vscode.TextDocument,
    position: vscode.Position,
    cancellation: vscode.CancellationToken,
  ): Promise<vscode.Hover | undefined> {
    if (!this.analysis.isOf(document) || !this.readSettings().hoverEnabled) return undefined;
    const { tokens, model, analysisId, isStale, ablation } = this.analysis.snapshot;
    const tokenIdx = this.analysis.tokenAtOffset(document.offsetAt(position));
    if (tokenIdx === null || !tokens || !model) return undefined;
    const word = wordAt(tokens.labels, tokenIdx);
    const places = await this.places(word, cancellation);
    if (cancellation.isCancellationRequested || !places) return undefined;
    const lines = [
      [codeSpan(textOfTokens(tokens.labels, word)), ...this.predictions(word)].join(' · '),
      places,
      commandLink(vscode.l10n.t('Explain this token'), commands.explainToken, [analysisId, word.first]),
      ...(ablation.shown.edits.length
        ? [vscode.l10n.t('*Ablated: {0}. Not the model as trained.*', describeAblation(ablation.shown))]
        : []),
      ...(isStale ? [vscode.l10n.t('*The text changed since: these are the maps of an older version.*')] : []),
    ];
    const range = new vscode.Range(
      document.positionAt(tokens.offsets[word.first]!),
      document.positionAt(tokens.offsets[word.end]!),
    );
    return new vscode.Hover(markdown([lines.join('\n\n')], [commands.explainToken, commands.showToken]), range);
  }

  /** Surprisal, and what was predicted for the first token; nothing before the last layer. */
  private predictions({ first, end }: TokenRange): string[] {
    const { analysisId, tokens, model } = this.analysis.snapshot;
    const ids = this.analysis.windowTokens?.ids;
    const { surprisalBits } = tokens!;
    if (!surprisalBits || !ids || model?.viewer?.hasPredictions === false) return [];
    if (first === 0) return [vscode.l10n.t('nothing predicts the first token')];
    const bits = surprisalBits.subarray(first, end).reduce((sum, each) => sum + each, 0);
    const { k, topIds, topProbabilities, labels } = this.analysis.details.predictions(analysisId);
    const top = Array.from({ length: k }, (_, i) => (first - 1) * k + i);
    const listed = top.slice(0, nListed).map(i => {
      const isActual = topIds[i] === ids[first];
      return `${codeSpan(labels[topIds[i]!] ?? '')} ${formatPercent(topProbabilities[i]!)}${isActual ? ' ✓' : ''}`;
    });
    const rank = top.findIndex(i => topIds[i] === ids[first]);
    const own =
      rank < 0
        ? [vscode.l10n.t('the token itself: not among the first {0}', k)]
        : rank < nListed
          ? []
          : [vscode.l10n.t('the token itself: {0} ✓', formatPercent(topProbabilities[top[rank]!]!))];
    return [vscode.l10n.t('{0} bits', withLocalMark(bits.toFixed(1))), ...listed, ...own];
  }

  /** Where the word looks, as the marks in the text measure it; undefined where that cannot be had. */
  private async places(word: TokenRange, cancellation: vscode.CancellationToken): Promise<string | undefined> {
    const { analysisId, tokens, view, model } = this.analysis.snapshot;
    const options = { ...this.context.snapshot.options, direction: 'attends' as const };
    const controller = new AbortController();
    cancellation.onCancellationRequested(() => controller.abort());
    // Without an answer there is nothing to show: the status bar reports failures.
    const rows = measuredRows(word, options);
    if (!rows) return vscode.l10n.t('nothing predicts the first token');
    const weights = await this.analysis.details
      .relevance(options, rows, { analysisId, ...view }, controller.signal)
      .catch(() => null);
    if (!weights || cancellation.isCancellationRequested) return undefined;
    const lines = this.analysis.linesOfTokens();
    const { labels } = tokens!;
    const found = strongestWords(weights, labels, nListed, idx => idx < word.first && lines[idx]! >= 0);
    const largest = Math.abs(found[0]?.weight ?? 0);
    const listed = found.map(({ tokens: { first, end }, weight }) => {
      const line = commandLink(vscode.l10n.t('line {0}', lines[first]! + 1), commands.showToken, [analysisId, first]);
      const bar = '█'.repeat(Math.max(1, Math.round((Math.abs(weight) / largest) * barLength)));
      return `${line} ${codeSpan(textOfTokens(labels, { first, end }))} ${bar} ${formatValue(weight)}`;
    });
    const stage = effectiveStage(model!.layers[view.layerIdx]!.stages, view.stage);
    const measure = options.method === 'head' ? ` (${stageInText(stage)})` : '';
    const heads = `${describeHeads(options, view)}${measure}`;
    return found.length === 0
      ? vscode.l10n.t('{0}: no earlier place', heads)
      : options.row === 'predicting'
        ? vscode.l10n.t('{0}, predicting it, looks at {1}', heads, listed.join(' · '))
        : vscode.l10n.t('{0}, reading it, looks at {1}', heads, listed.join(' · '));
  }
}
