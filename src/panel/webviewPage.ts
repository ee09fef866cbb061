/** What the side panel's and the editor's webview have in common: the page, and its connection to the analysis. */

import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { readSettings } from '../contributions';
import { connectPanel, type PanelServices } from './bridge';
import { pageHtml } from './html';

/** Where webviews get their page and what they say from. */
export interface PageContext extends PanelServices {
  readonly extensionUri: vscode.Uri;
}

/** Only the build's folder is readable for the page, and only its scripts run. */
export function webviewOptions({ extensionUri }: PageContext): vscode.WebviewOptions {
  return { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(extensionUri, 'dist')] };
}

/** Fills a webview and answers it. @returns what ends the connection. */
export function fillWebview(webview: vscode.Webview, context: PageContext, title: string): vscode.Disposable {
  const uri = (name: string) =>
    webview.asWebviewUri(vscode.Uri.joinPath(context.extensionUri, 'dist', name)).toString();
  let listener: ((message: unknown) => void) | undefined;
  const receiving = webview.onDidReceiveMessage(message => listener?.(message));
  const connection = connectPanel(
    {
      send: message => void webview.postMessage(message),
      onMessage: receive => {
        listener = receive;
      },
    },
    context,
  );
  webview.options = webviewOptions(context);
  let { colorScale } = readSettings();
  const fill = () => {
    webview.html = pageHtml({
      cspSource: webview.cspSource,
      nonce: randomBytes(16).toString('base64'),
      script: uri('webview.js'),
      styles: [uri('codicon.css'), uri('webview.css')],
      title,
      language: vscode.env.language,
      colorMap: colorScale,
      translations: vscode.l10n.bundle,
    });
  };
  fill();
  // The page comes back in the layout that it had.
  const changing = vscode.workspace.onDidChangeConfiguration(() => {
    const former = colorScale;
    colorScale = readSettings().colorScale;
    if (colorScale !== former) fill();
  });
  return vscode.Disposable.from(receiving, connection, changing);
}
