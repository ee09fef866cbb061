/** The extension's one log channel. Never document text: lengths, versions and times only. */

import * as vscode from 'vscode';

export function createLog(): vscode.LogOutputChannel {
  return vscode.window.createOutputChannel('MTA Inspector', { log: true });
}
