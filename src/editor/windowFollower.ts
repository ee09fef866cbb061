/** Moves the window of a long document with the cursor, unless it is pinned; the commands that pin and release it. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { commands } from '../contributionIds';
import { failures } from '../errors';
import { DisposableStore } from '../lifecycle';
import { Cancelled, toFailureData } from '../shared/tools/failure';
import type { CursorMoves } from './cursorMoves';
import { selectAtCursor } from './cursorSelection';
import { editorOf } from './reveal';

/** The cursor rests this long before the window follows. */
const restMs = 300;

export class WindowFollower implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly analysis: Analysis,
    moves: CursorMoves,
    private readonly log: vscode.LogOutputChannel,
    runReported: (run: () => Promise<void>) => Promise<void>,
  ) {
    const register = (id: string, run: () => void) =>
      this.store.add(vscode.commands.registerCommand(id, () => runReported(async () => run())));
    register(commands.pinWindow, () => this.pin());
    register(commands.followCursor, () => this.release());
    this.store.add(
      vscode.window.onDidChangeTextEditorSelection(event => {
        clearTimeout(this.timer);
        const { textEditor } = event;
        if (!analysis.isOf(textEditor.document)) return;
        // Our own steps from place to place move the cursor inside the window, which is what they are about.
        const isOwn = moves.isOwn(event);
        this.timer = setTimeout(() => void this.follow(textEditor, isOwn), restMs);
      }),
    );
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.store.dispose();
  }

  private pin(): void {
    if (!this.analysis.snapshot.window) throw failures.noAnalysis();
    clearTimeout(this.timer);
    this.analysis.setPinned(true);
  }

  private release(): void {
    this.analysis.setPinned(false);
    const editor = editorOf(this.analysis);
    if (editor) void this.follow(editor, false);
  }

  /** @param staysInside a cursor that is still in the window does not move it. */
  private async follow({ document, selection }: vscode.TextEditor, staysInside: boolean): Promise<void> {
    const { analysis } = this;
    const { status, isPinned, isStale, window, tokens } = analysis.snapshot;
    const target = analysis.lastTarget;
    const isFollowed = target && analysis.isOf(document) && !target.range && target.question === undefined;
    if (!isFollowed || isPinned || isStale || !window || !tokens || status === 'failed' || status === 'cancelled')
      return;
    if (window.start === 0 && window.end >= window.documentLength) return;
    const anchor = document.offsetAt(selection.active);
    const token = analysis.tokenAtOffset(anchor);
    const hasContext = token !== null && (window.start === 0 || token >= tokens.labels.length / 2);
    if (hasContext || (staysInside && token !== null)) return;
    try {
      await analysis.inspect({ document, range: null, anchor });
      const editor = editorOf(analysis);
      if (editor) selectAtCursor(analysis, editor);
    } catch (error) {
      if (!(error instanceof Cancelled)) this.log.warn(toFailureData(error).message); // not the result of a user action
    }
  }
}
