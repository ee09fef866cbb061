/** The remote server's access token: kept by VS Code's secret storage, set and cleared by commands, written nowhere else. */

import * as vscode from 'vscode';
import { commands } from '../contributionIds';
import { askText, showInformation } from '../messages';

const key = 'mtaInspector.remote.token';

export class RemoteToken {
  constructor(private readonly secrets: vscode.SecretStorage) {}

  read(): Thenable<string | undefined> {
    return this.secrets.get(key);
  }

  /** Registers the commands. @param runReported runs them and reports failures. */
  register(runReported: (run: () => Promise<void>) => Promise<void>): vscode.Disposable {
    return vscode.Disposable.from(
      vscode.commands.registerCommand(commands.setRemoteToken, () => runReported(() => this.ask())),
      vscode.commands.registerCommand(commands.clearRemoteToken, () => runReported(() => this.clear())),
    );
  }

  private async ask(): Promise<void> {
    const token = await askText({
      password: true,
      ignoreFocusOut: true,
      title: vscode.l10n.t('Remote Token'),
      prompt: vscode.l10n.t('Access token of the server in mtaInspector.remote.url; it is kept in the secret storage.'),
      validateInput: value => (/^[\x21-\x7e]*$/.test(value) ? null : vscode.l10n.t('A token has no blanks.')),
    });
    if (!token) return;
    await this.secrets.store(key, token);
    void showInformation(vscode.l10n.t('The remote token is kept in the secret storage.'));
  }

  private async clear(): Promise<void> {
    await this.secrets.delete(key);
    void showInformation(vscode.l10n.t('The remote token is deleted.'));
  }
}
