/** The panel's current view, and the one that a link opens. Only the page knows whether that view exists. */

import * as vscode from 'vscode';
import type { Cell } from '../shared/address';

export class PanelTab implements vscode.Disposable {
  /** Id of the view that a page of the panel showed last; null before there was one. */
  shown: string | null = null;
  private requested: string | null = null;
  private readonly requests = new vscode.EventEmitter<string>();
  readonly onDidAsk = this.requests.event;
  private readonly picked = new vscode.EventEmitter<Cell>();
  /** A cell to show in the current view. */
  readonly onDidPickCell = this.picked.event;

  /** Open pages receive it at once, one that opens later requests it. */
  show(tab: string, cell?: Cell): void {
    this.requested = tab;
    this.requests.fire(tab);
    if (cell) this.picked.fire(cell);
  }

  /** The view that a link opens, once. */
  take(): string | null {
    const { requested } = this;
    this.requested = null;
    return requested;
  }

  dispose(): void {
    this.requests.dispose();
    this.picked.dispose();
  }
}
