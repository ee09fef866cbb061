/** The side panel: a webview that is given whole snapshots and asks for the maps it draws. */

import type * as vscode from 'vscode';
import { fillWebview, type PageContext } from './webviewPage';

export class AttentionView implements vscode.WebviewViewProvider {
  constructor(private readonly context: PageContext) {}

  resolveWebviewView(view: vscode.WebviewView): void {
    const connection = fillWebview(view.webview, this.context, 'MTA Inspector');
    view.onDidDispose(() => connection.dispose());
  }
}
