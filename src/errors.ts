/** One constructor per failure of the extension host that a person can see. */

import * as vscode from 'vscode';
import { Failure } from './shared/failure';

export const failures = {
  noEditor: () =>
    new Failure(
      'no-editor',
      vscode.l10n.t(
        'There is no text to inspect: open a text document first. VS Code gives extensions no text of binary files, of files above 50 MB, or of large files before "Open Anyway".',
      ),
    ),
  empty: (label: string) =>
    new Failure('empty', vscode.l10n.t('"{0}" holds no text to inspect. Write something and inspect again.', label)),
  emptySelection: () =>
    new Failure('empty', vscode.l10n.t('Nothing is selected. Select some text, or inspect the whole document.')),
  binary: (label: string) =>
    new Failure('binary', vscode.l10n.t('"{0}" contains NUL bytes and is no text. Open a text document.', label)),
  untrustedModel: (model: string) =>
    new Failure(
      'untrusted',
      vscode.l10n.t(
        'The model "{0}" lies outside the extension. Trust this workspace to use it, or pick a bundled model.',
        model,
      ),
      ['selectModel'],
    ),
  noModel: (model: string) =>
    new Failure(
      'no-model',
      vscode.l10n.t('There is no model "{0}". Pick an installed model or a model folder.', model),
      ['selectModel', 'openSettings'],
    ),
};
