/** Hovering a word of the inspected document lists what its token attends to most. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import type { Settings } from '../contributions';
import { markdown } from '../messages';
import { describeAblation } from '../shared/ablation';
import { effectiveStage } from '../shared/attentionMap';
import { formatValue, stageInText } from '../shared/labels';
import { codeSpan } from '../shared/tools/markdown';

/** Keys listed; the panel has them all. */
const maxRows = 8;

export class AttentionHover implements vscode.HoverProvider {
  constructor(
    private readonly analysis: Analysis,
    private readonly readSettings: () => Settings,
  ) {}

  async provideHover(
    document: vscode.TextDocument,
    position: vscode.Position,
    cancellation: vscode.CancellationToken,
  ): Promise<vscode.Hover | undefined> {
    if (!this.analysis.isOf(document) || !this.readSettings().hoverEnabled) return undefined;
    const { analysisId, tokens, view, model, isStale, ablation } = this.analysis.snapshot;
    const tokenIdx = this.analysis.tokenAtOffset(document.offsetAt(position));
    if (tokenIdx === null || !tokens || !model) return undefined;
    // Without an answer there is nothing to show: the status bar reports failures.
    const keys = await this.analysis.details.strongestKeys({ analysisId, ...view }, tokenIdx, maxRows).catch(() => []);
    if (cancellation.isCancellationRequested || keys.length === 0) return undefined;
    const stage = effectiveStage(model.layers[view.layerIdx]!.stages, view.stage);
    const place = (token: number) =>
      new vscode.Range(document.positionAt(tokens.offsets[token]!), document.positionAt(tokens.offsets[token + 1]!));
    const rows = keys.map(({ keyIdx, weight }) => {
      const line = vscode.l10n.t('line {0}', place(keyIdx).start.line + 1);
      return `- ${formatValue(weight)} ${codeSpan(tokens.labels[keyIdx]!)} ${keyIdx} ${line}`;
    });
    const title = vscode.l10n.t(
      'attends to most in layer {0}, head {1} ({2})',
      view.layerIdx,
      view.headIdx,
      stageInText(stage),
    );
    // A list, not a table: in a table a bar in a token would end the cell, whatever stands before it.
    const text = markdown([
      `${codeSpan(tokens.labels[tokenIdx]!)} ${title}`,
      ...(ablation.shown.edits.length
        ? ['', vscode.l10n.t('*Ablated: {0}. Not the model as trained.*', describeAblation(ablation.shown))]
        : []),
      '',
      [vscode.l10n.t('weight'), vscode.l10n.t('token'), vscode.l10n.t('index'), vscode.l10n.t('place')].join(' · '),
      '',
      ...rows,
      ...(isStale ? ['', vscode.l10n.t('*The text changed since: these are the maps of an older version.*')] : []),
    ]);
    return new vscode.Hover(text, place(tokenIdx));
  }
}
