/** Shades the whole inspected text by surprisal, on request: where the model did not expect what comes. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { colors, commands } from '../contributionIds';
import { failures } from '../errors';
import { DisposableStore } from '../lifecycle';
import { setStatusItem } from '../messages';

/** Bits from which each shade begins. */
const steps = [2, 4, 8, 12] as const;

export class SurprisalMarks implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly shades: readonly vscode.TextEditorDecorationType[];
  private readonly legend: vscode.StatusBarItem;
  private isOn = false;
  private drawn: unknown;

  constructor(
    private readonly analysis: Analysis,
    runReported: (run: () => Promise<void>) => Promise<void>,
  ) {
    this.shades = colors.surprisal.map(color =>
      this.store.add(
        vscode.window.createTextEditorDecorationType({
          backgroundColor: new vscode.ThemeColor(color),
          overviewRulerColor: new vscode.ThemeColor(color),
          overviewRulerLane: vscode.OverviewRulerLane.Left,
        }),
      ),
    );
    this.legend = this.store.add(
      vscode.window.createStatusBarItem('mtaInspector.surprisal', vscode.StatusBarAlignment.Right, 87),
    );
    this.legend.name = vscode.l10n.t('MTA Inspector: surprisal');
    this.legend.command = commands.toggleSurprisal;
    const text = vscode.l10n.t('surprisal from {0} bits', steps.join(' · '));
    const meaning = vscode.l10n.t(
      'The deeper the teal, the less the model expected the token: from {0} bits. Click to hide.',
      steps.join(', '),
    );
    setStatusItem(this.legend, 'graph', text, meaning);
    this.legend.accessibilityInformation = { label: `MTA Inspector: ${text}. ${meaning}`, role: 'button' };
    this.store.add(
      vscode.commands.registerCommand(commands.toggleSurprisal, () => runReported(async () => this.toggle())),
    );
    this.store.add(analysis.onDidChange(() => this.isOn && this.draw()));
    const drawAnew = () => {
      this.drawn = undefined;
      if (this.isOn) this.draw();
    };
    this.store.add(vscode.window.onDidChangeVisibleTextEditors(drawAnew));
    this.store.add(analysis.onDidReplaceDocument(drawAnew));
  }

  dispose(): void {
    this.store.dispose();
  }

  private toggle(): void {
    if (!this.isOn && !this.analysis.snapshot.tokens) throw failures.noAnalysis();
    this.isOn = !this.isOn;
    this.drawn = undefined;
    this.draw();
  }

  private draw(): void {
    const { tokens, isStale } = this.analysis.snapshot;
    const bits = this.isOn && !isStale ? tokens?.surprisalBits : null;
    if (bits === this.drawn) return;
    this.drawn = bits;
    let isVisible = false;
    for (const editor of vscode.window.visibleTextEditors) {
      const isOurs = this.analysis.isOf(editor.document);
      isVisible ||= isOurs && this.isOn;
      const ranges = this.shades.map((): vscode.Range[] => []);
      for (let token = 0; isOurs && bits && token < bits.length; token++) {
        const shade = steps.findLastIndex(step => bits[token]! >= step);
        const [start, end] = [tokens!.offsets[token]!, Math.min(tokens!.offsets[token + 1]!, this.analysis.textEnd)];
        if (shade < 0 || start >= end) continue;
        ranges[shade]!.push(new vscode.Range(editor.document.positionAt(start), editor.document.positionAt(end)));
      }
      for (const [shade, type] of this.shades.entries()) editor.setDecorations(type, ranges[shade]!);
    }
    if (isVisible) this.legend.show();
    else this.legend.hide();
  }
}
