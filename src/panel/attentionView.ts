/** The side panel: a webview that is given whole snapshots and asks for the maps it draws. */

import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { connectPanel } from './bridge';
import { pageHtml } from './html';

export class AttentionView implements vscode.WebviewViewProvider {
  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly analysis: Analysis,
    private readonly reveal: (tokenIdx: number) => void,
  ) {}

  resolveWebviewView(view: vscode.WebviewView): void {
    const { webview } = view;
    const dist = vscode.Uri.joinPath(this.extensionUri, 'dist');
    const uri = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(dist, name)).toString();
    webview.options = { enableScripts: true, localResourceRoots: [dist] };
    let listener: ((message: unknown) => void) | undefined;
    const receiving = webview.onDidReceiveMessage(message => listener?.(message));
    const connection = connectPanel(
      {
        send: message => void webview.postMessage(message),
        onMessage: receive => {
          listener = receive;
        },
      },
      this.analysis,
      this.reveal,
    );
    view.onDidDispose(() => {
      receiving.dispose();
      connection.dispose();
    });
    webview.html = pageHtml({
      cspSource: webview.cspSource,
      nonce: randomBytes(16).toString('base64'),
      script: uri('webview.js'),
      styles: [uri('codicon.css'), uri('webview.css')],
      title: 'MTA Inspector',
    });
  }
}
