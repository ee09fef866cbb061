/**
 * Marks the places of the document that are relevant for the selected tokens: a violet underline, thicker for more weight,
 * dashed for negative weights. The editor itself marks repeats of a word in blue, matches in orange, changes in green.
 */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import type { RelevantContext } from '../analysis/relevantContext';
import { type Place, relevantPlaces, strongestTokens } from '../attention/lines';
import { shadeOf } from '../attention/topKeys';
import { colors, commands } from '../contributionIds';
import type { Settings } from '../contributions';
import { DisposableStore } from '../lifecycle';
import { setStatusItem } from '../messages';
import type { TokenRange } from '../shared/address';
import { formatValue } from '../shared/labels';
import { textOfTokens } from '../shared/places';
import { isApplicable } from '../shared/relevance';
import { shorten } from '../shared/tools/plainText';
import type { CursorMoves } from './cursorMoves';
import { selectAtCursor } from './cursorSelection';
import { describeRelevance } from './relevancePicker';

/** Characters of the selected text in the legend. */
const maxLegendText = 24;

export class AttentionDecorations implements vscode.Disposable {
  private readonly store = new DisposableStore();
  /** One type per sign and shade: a fixed set, whatever is shown. */
  private readonly shades: readonly { readonly sign: 1 | -1; readonly types: vscode.TextEditorDecorationType[] }[];
  private readonly selected: vscode.TextEditorDecorationType;
  private readonly legend: vscode.StatusBarItem;
  private isCleared = false;
  private shownRange: TokenRange | null = null;

  constructor(
    private readonly analysis: Analysis,
    private readonly context: RelevantContext,
    private readonly readSettings: () => Settings,
    moves: CursorMoves,
  ) {
    const typeOf = (color: string, line: string, style: string, widthPx: number) =>
      this.store.add(
        vscode.window.createTextEditorDecorationType({
          backgroundColor: new vscode.ThemeColor(color),
          borderColor: new vscode.ThemeColor(line),
          // Neither hue nor sign rests on color alone.
          borderStyle: style,
          borderWidth: `0 0 ${widthPx}px 0`,
          overviewRulerColor: new vscode.ThemeColor(line),
          overviewRulerLane: vscode.OverviewRulerLane.Center,
        }),
      );
    const { positive, negative, underline } = colors;
    this.shades = [
      { sign: 1, types: positive.map((color, i) => typeOf(color, underline.positive, 'solid', i + 1)) },
      { sign: -1, types: negative.map((color, i) => typeOf(color, underline.negative, 'dashed', i + 1)) },
    ];
    this.selected = this.store.add(
      vscode.window.createTextEditorDecorationType({
        border: '1px solid',
        borderColor: new vscode.ThemeColor(colors.selected),
        overviewRulerColor: new vscode.ThemeColor(colors.selected),
        overviewRulerLane: vscode.OverviewRulerLane.Full,
      }),
    );
    this.legend = this.store.add(
      vscode.window.createStatusBarItem('mtaInspector.legend', vscode.StatusBarAlignment.Right, 88),
    );
    this.legend.name = vscode.l10n.t('MTA Inspector: marked places');
    this.legend.command = commands.showRelevantLines;
    let last: unknown;
    this.store.add(
      context.onDidChange(({ weights, range }) => {
        if (weights === last && weights !== null) return; // the progress of a check, for example
        if (range !== this.shownRange) this.isCleared = false;
        this.shownRange = range;
        last = weights;
        this.draw();
      }),
    );
    this.store.add(vscode.window.onDidChangeVisibleTextEditors(() => this.draw()));
    this.store.add(
      vscode.workspace.onDidChangeConfiguration(change => {
        if (change.affectsConfiguration('mtaInspector.highlight')) this.draw();
      }),
    );
    this.store.add(analysis.onDidReplaceDocument(() => this.draw()));
    this.store.add(
      vscode.window.onDidChangeTextEditorSelection(event => {
        const { textEditor, kind } = event;
        // Whatever moved the cursor, but not our own steps from place to place.
        if (!analysis.isOf(textEditor.document) || moves.isOwn(event) || analysis.snapshot.isStale) return;
        // Alt and a click add a cursor in the editor.
        const isAdded = kind === vscode.TextEditorSelectionChangeKind.Mouse && textEditor.selections.length > 1;
        selectAtCursor(analysis, textEditor, isAdded);
      }),
    );
  }

  /** The marked places in document order, neighboring tokens joined. */
  places(): Place[] {
    const { weights } = this.context.snapshot;
    return weights ? relevantPlaces(weights, this.readSettings().highlightCount, idx => this.isCandidate(idx)) : [];
  }

  clear(): void {
    this.isCleared = true;
    this.draw();
  }

  dispose(): void {
    this.store.dispose();
  }

  /**
   * Text of the document that can have weight at all: not the selection, not what follows the rows that look, not the
   * begin token, and no question behind the document's end.
   */
  private isCandidate(tokenIdx: number): boolean {
    const { offsets } = this.analysis.snapshot.tokens!;
    const { range, options } = this.context.snapshot;
    if (!range || !isApplicable(options.direction, range, tokenIdx)) return false;
    const isSelected = tokenIdx >= range.first && tokenIdx < range.end;
    return !isSelected && offsets[tokenIdx + 1]! > offsets[tokenIdx]! && offsets[tokenIdx]! < this.analysis.textEnd;
  }

  private draw(): void {
    const { tokens } = this.analysis.snapshot;
    const { range: selected, weights } = this.context.snapshot;
    const { highlightEnabled, highlightCount: count } = this.readSettings();
    const isShown = tokens !== null && selected !== null && weights !== null && highlightEnabled && !this.isCleared;
    const strongest = isShown ? strongestTokens(weights, count, idx => this.isCandidate(idx)) : [];
    const largest = Math.abs(strongest[0]?.weight ?? 0);
    let isVisible = false;
    for (const editor of vscode.window.visibleTextEditors) {
      const place = (first: number, end: number) =>
        withoutBlanks(
          editor.document,
          new vscode.Range(
            editor.document.positionAt(tokens!.offsets[first]!),
            editor.document.positionAt(tokens!.offsets[end]!),
          ),
        );
      const isOurs = isShown && this.analysis.isOf(editor.document);
      isVisible ||= isOurs;
      for (const { sign, types } of this.shades) {
        for (const [shade, type] of types.entries()) {
          const inShade = strongest.filter(
            ({ weight }) => Math.sign(weight) === sign && shadeOf(weight, largest, types.length) === shade,
          );
          editor.setDecorations(type, isOurs ? inShade.map(({ tokenIdx }) => place(tokenIdx, tokenIdx + 1)) : []);
        }
      }
      // A question is behind the document's end, where nothing can be marked.
      const isInDocument = isOurs && tokens.offsets[selected.first]! < this.analysis.textEnd;
      editor.setDecorations(this.selected, isInDocument ? [place(selected.first, selected.end)] : []);
    }
    if (isVisible) this.explain(tokens!.labels, selected!, this.places().length, strongest[0]?.weight);
    else this.legend.hide();
  }

  /** What the marks are, in one line. */
  private explain(labels: readonly string[], range: TokenRange, nPlaces: number, strongest: number | undefined): void {
    const text = shorten(textOfTokens(labels, range), maxLegendText);
    const { options } = this.context.snapshot;
    const isFrom = options.direction === 'attends';
    const found =
      strongest === undefined
        ? vscode.l10n.t('‘{0}’: no place', text)
        : isFrom
          ? vscode.l10n.t('‘{0}’ ← {1} places, strongest {2}', text, nPlaces, formatValue(strongest))
          : vscode.l10n.t('‘{0}’ → {1} places, strongest {2}', text, nPlaces, formatValue(strongest));
    const meaning = vscode.l10n.t(
      'Violet underlines: the thicker, the larger the weight; dashed where it is negative. Marks of any other color are not from MTA Inspector. Click to list the lines.',
    );
    setStatusItem(
      this.legend,
      'symbol-color',
      found,
      `${describeRelevance(options, this.analysis.snapshot.view)}\n${meaning}`,
    );
    this.legend.accessibilityInformation = { label: `MTA Inspector: ${found}. ${meaning}`, role: 'button' };
    this.legend.show();
  }
}

/** A token's blanks are not marked, unless it has nothing else. */
function withoutBlanks(document: vscode.TextDocument, range: vscode.Range): vscode.Range {
  const text = document.getText(range);
  const start = text.length - text.trimStart().length;
  if (start === text.length) return range;
  const from = document.offsetAt(range.start);
  return new vscode.Range(document.positionAt(from + start), document.positionAt(from + text.trimEnd().length));
}
