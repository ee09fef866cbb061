/** The same panel as large as an editor. One per window; it comes back when the window is reloaded. */

import * as vscode from 'vscode';
import { commands, views } from '../contributionIds';
import { readSettings } from '../contributions';
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

  private get isVisible(): boolean {
    return this.panel?.visible ?? false;
  }

  /** Shows the panel where the settings say, unless it is on screen. The text keeps the focus. */
  show(): void {
    if (this.isVisible) return;
    if (readSettings().panelLocation === 'beside') this.open(true);
    else void vscode.commands.executeCommand(`${views.attention}.focus`, { preserveFocus: true });
  }

  /** Shows the panel beside the document, which stays in sight. */
  open(preserveFocus = false): void {
    if (this.panel) {
      this.panel.reveal(undefined, preserveFocus);
      return;
    }
    const title = vscode.l10n.t('Attention');
    const place = { viewColumn: vscode.ViewColumn.Beside, preserveFocus };
    this.adopt(vscode.window.createWebviewPanel(views.attentionEditor, title, place, webviewOptions(this.context)));
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
