/** One constructor per failure of the extension host that a person can see. */

import * as vscode from 'vscode';
import { Failure } from './shared/tools/failure';

export const failures = {
  noAddedModels: () =>
    new Failure(
      'no-model',
      vscode.l10n.t('No model was added. Bundled models and those of other programs cannot be taken off the list.'),
    ),
  noPredictingRow: () =>
    new Failure(
      'no-row',
      vscode.l10n.t(
        'Nothing predicts the first token of the range. Select a later word, or choose the tokens that read the selection.',
      ),
    ),
  noEditor: () =>
    new Failure(
      'no-editor',
      vscode.l10n.t(
        'There is no text to inspect: open a text document first. VS Code gives extensions no text of binary files, of files above 50 MB, or of large files before "Open Anyway". The command line reads files up to 512 MB: mta-inspect context FILE, or search FILE.',
      ),
    ),
  empty: (label: string) =>
    new Failure('empty', vscode.l10n.t('"{0}" holds no text to inspect. Write something and inspect again.', label)),
  emptySelection: () =>
    new Failure('empty', vscode.l10n.t('Nothing is selected. Select some text, or inspect the whole document.')),
  noSelection: () =>
    new Failure(
      'no-selection',
      vscode.l10n.t(
        'No token is selected. Inspect a document and put the cursor on a word inside the analysed window.',
      ),
    ),
  noAnalysis: () => new Failure('no-analysis', vscode.l10n.t('This map is not ready yet, or belongs to an older run.')),
  noRepeatedWords: () =>
    new Failure(
      'no-examples',
      vscode.l10n.t(
        'Cannot choose heads by this text: no word of five letters or more comes again on a later line. Inspect a longer document, such as a source file.',
      ),
    ),
  noPlaces: () =>
    new Failure(
      'no-places',
      vscode.l10n.t(
        'Nothing outside the selection carries weight here. Select another token, or choose another way of measuring.',
      ),
    ),
  cannotAnswer: (model: string) =>
    new Failure(
      'cannot-answer',
      vscode.l10n.t(
        '"{0}" knows the letters of the toy task only: no question can be put to it. Select another model.',
        model,
      ),
      ['selectModel'],
    ),
  noAnswer: (model: string) =>
    new Failure(
      'no-answer',
      vscode.l10n.t(
        'No passage makes the question less surprising to {0}. Ask with words of the document, or select a larger model.',
        model,
      ),
      ['selectModel'],
    ),
  wrongDirection: () =>
    new Failure(
      'wrong-direction',
      vscode.l10n.t(
        'Occluding shows what earlier lines do to the selection. Choose "what it attends to" as the direction first.',
      ),
    ),
  noFinding: () =>
    new Failure(
      'no-finding',
      vscode.l10n.t(
        'There is nothing to tour: this model has no convolution of the scores. Select a model with Multi-Token Attention.',
      ),
      ['selectModel'],
    ),
  nothingToCompare: () =>
    new Failure(
      'nothing-to-compare',
      vscode.l10n.t('There is no finished analysis to compare with. Inspect a document first.'),
      ['retry'],
    ),
  cannotCompareWith: (label: string) =>
    new Failure(
      'cannot-compare-with',
      vscode.l10n.t(
        'Cannot compare with {0}, which the link asks for: it is not here. The view was opened without it; compare with something else.',
        label,
      ),
    ),
  emptyCounterpart: (label: string) =>
    new Failure('empty', vscode.l10n.t('Cannot compare with "{0}": it holds no text. Choose something else.', label)),
  untrustedFolders: () =>
    new Failure(
      'untrusted',
      vscode.l10n.t('Model folders outside the extension need a trusted workspace. Trust it, or pick a bundled model.'),
    ),
  untrustedDownload: () =>
    new Failure(
      'untrusted',
      vscode.l10n.t('Models are downloaded and removed in trusted workspaces only. Trust this workspace first.'),
    ),
  nothingFetched: () =>
    new Failure(
      'nothing-fetched',
      vscode.l10n.t(
        'This extension has fetched nothing that is in the cache. Other programs remove what they put there.',
      ),
    ),
  nothingToExport: () =>
    new Failure(
      'nothing-to-export',
      vscode.l10n.t('There is no finished analysis to export. Inspect a document first.'),
      ['retry'],
    ),
  nothingToLink: () =>
    new Failure(
      'nothing-to-link',
      vscode.l10n.t('There is nothing to link to. Inspect a document in a folder of the workspace first.'),
    ),
  notLinkable: (file: string) =>
    new Failure(
      'not-linkable',
      vscode.l10n.t(
        'Cannot make a link to "{0}": a link cannot hold this file name. Rename the file, or export the map instead.',
        file,
      ),
    ),
  badLink: (why: string) =>
    new Failure('bad-link', vscode.l10n.t('Cannot open the link: {0}. Copy it again from the view it shows.', why)),
  notInWorkspace: (file: string) =>
    new Failure(
      'not-in-workspace',
      vscode.l10n.t('Cannot open the link: no folder of this workspace holds "{0}". Open its folder first.', file),
    ),
  notReadable: (file: string) =>
    new Failure(
      'not-in-workspace',
      vscode.l10n.t(
        'Cannot read "{0}": it is neither open in an editor nor a file inside this workspace, where links that lead out are not followed. Open it first.',
        file,
      ),
    ),
  binary: (label: string) =>
    new Failure('binary', vscode.l10n.t('"{0}" contains NUL bytes and is not a text. Open a text document.', label)),
  untrustedModel: (model: string) =>
    new Failure(
      'untrusted',
      vscode.l10n.t(
        'The model "{0}" is outside the extension. Trust this workspace to use it, or pick a bundled model.',
        model,
      ),
      ['selectModel'],
    ),
  untrustedRemote: () =>
    new Failure(
      'untrusted',
      vscode.l10n.t('A remote server is used in trusted workspaces only. Trust this workspace, or clear the setting.'),
      ['openSettings'],
    ),
  noModel: (model: string) =>
    new Failure(
      'no-model',
      vscode.l10n.t('There is no model "{0}". Pick an installed model or a model folder.', model),
      ['selectModel', 'openSettings'],
    ),
};
