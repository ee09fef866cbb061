/** Which view of the panel is on show, and the one that a link asks for. Whether there is such a view the page knows. */

import * as vscode from 'vscode';
import type { Cell } from '../shared/address';

export class PanelTab implements vscode.Disposable {
  /** Id of the view that a page of the panel showed last; null before there was one. */
  shown: string | null = null;
  private wanted: string | null = null;
  private readonly asked = new vscode.EventEmitter<string>();
  readonly onDidAsk = this.asked.event;
  private readonly picked = new vscode.EventEmitter<Cell>();
  /** A cell should be looked at in the view on show. */
  readonly onDidPickCell = this.picked.event;

  /** Pages that are open hear of it at once, one that opens later asks for the tab. */
  show(tab: string, cell?: Cell): void {
    this.wanted = tab;
    this.asked.fire(tab);
    if (cell) this.picked.fire(cell);
  }

  /** What a link asked for, once. */
  take(): string | null {
    const { wanted } = this;
    this.wanted = null;
    return wanted;
  }

  dispose(): void {
    this.asked.dispose();
    this.picked.dispose();
  }
}
