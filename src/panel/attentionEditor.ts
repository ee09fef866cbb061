/** The same panel as large as an editor. One per window; it comes back when the window is reloaded. */

import * as vscode from 'vscode';
import { commands, views } from '../contributionIds';
import { fillWebview, type PageContext, webviewOptions } from './webviewPage';

export class AttentionEditor implements vscode.WebviewPanelSerializer, vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;
  private readonly registrations: vscode.Disposable;

  constructor(private readonly context: PageContext) {
    this.registrations = vscode.Disposable.from(
      vscode.commands.registerCommand(commands.openInEditor, () => this.open()),
      vscode.window.registerWebviewPanelSerializer(views.attentionEditor, this),
    );
  }

  /** On screen, perhaps beside the document. */
  get isVisible(): boolean {
    return this.panel?.visible ?? false;
  }

  /** Shows the panel beside the document, which stays in sight. */
  open(): void {
    if (this.panel) {
      this.panel.reveal();
      return;
    }
    const title = vscode.l10n.t('Attention');
    const { Beside } = vscode.ViewColumn;
    this.adopt(vscode.window.createWebviewPanel(views.attentionEditor, title, Beside, webviewOptions(this.context)));
  }

  /** After a reload VS Code brings the panel back, and the page its layout. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel): Promise<void> {
    this.panel?.dispose();
    this.adopt(panel);
  }

  dispose(): void {
    this.registrations.dispose();
    this.panel?.dispose();
  }

  private adopt(panel: vscode.WebviewPanel): void {
    this.panel = panel;
    panel.iconPath = vscode.Uri.joinPath(this.context.extensionUri, 'media', 'icon.png');
    const connection = fillWebview(panel.webview, this.context, 'MTA Inspector: Attention');
    panel.onDidDispose(() => {
      connection.dispose();
      if (this.panel === panel) this.panel = undefined;
    });
  }
}
