/**
 * Failures of the inference process in the reader's language. Their messages are English and hold details that cannot be
 * translated as a whole (names of tensors, words of ONNX Runtime or a server): a sentence of the reader's language goes first.
 */

import * as vscode from 'vscode';
import { Cancelled, Failure } from './shared/tools/failure';
import { t } from './shared/tools/l10n';

/** What failed, by error code. A unit test holds that every code of the inference process is here. */
const sentences: Readonly<Record<string, () => string>> = {
  'bad-ablation': () => t('This change of the model cannot be computed.'),
  'bad-chat-template': () => t('The chat template of the model cannot be used.'),
  'bad-config': () => t('The configuration of the model cannot be used.'),
  'bad-example': () => t('An example for choosing heads cannot be used.'),
  'bad-kernel': () => t('The edited kernel cannot be used.'),
  'bad-message': () => t('Parts of the extension do not understand each other. Reload the window.'),
  'bad-model-file': () => t('The model cannot be opened.'),
  'bad-onnx': () => t('The ONNX file cannot be used.'),
  'bad-target': () => t('There is no such token or cell.'),
  'bad-tokenizer': () => t('The tokenizer of the model cannot be used.'),
  'bad-weights': () => t('The weights of the model cannot be read.'),
  busy: () => t('The machine is too busy. Try again in a moment.'),
  'cannot-explain': () => t('The predictions of this model cannot be split.'),
  crashes: () => t('The inference process ended too often and is not started again for now.'),
  empty: () => t('There is no text to inspect.'),
  internal: () => t('Something unexpected failed.'),
  memory: () => t('There is not enough memory. Inspect fewer tokens, or close other programs.'),
  'no-analysis': () => t('This map is not ready yet, or belongs to an older run.'),
  'no-chat-template': () => t('The model has no chat template.'),
  'no-logits': () => t('The model has no predictions.'),
  'no-model': () => t('The model was not found. Select another model.'),
  'no-room': () => t('The context of the model has no room for this.'),
  'no-runtime': () => t('Models cannot run on this machine.'),
  'no-text': () => t('The searched text is no longer there. Search again.'),
  'not-servable': () => t('This model cannot run on a server.'),
  pickled: () => t('Pickled weights are not opened, since they can run code. Convert them first.'),
  process: () => t('The inference process ended. It is started again when you inspect.'),
  protocol: () => t('Parts of the extension do not understand each other. Reload the window.'),
  provider: () => t('The backend cannot be used. Choose another one in the settings.'),
  remote: () => t('Models on a server cannot do this. Select an installed model.'),
  'remote-bad-answer': () => t('The answer of the server cannot be used.'),
  'remote-insecure': () => t('The access token is not sent without encryption.'),
  'remote-model': () => t('The server’s model must be named in the settings.'),
  'remote-not-ready': () => t('The server is not ready yet. Try again later.'),
  'remote-redirect': () => t('The server redirects, which is not followed. Set its final address.'),
  'remote-refused': () => t('The server refused the request.'),
  'remote-timeout': () => t('The server did not answer in time.'),
  'remote-token': () => t('The server sends back the access token; nothing of its answer is used.'),
  'remote-too-long': () => t('The answer of the server is too long; nothing of it is used.'),
  'remote-unauthorized': () => t('The server asks for another access token.'),
  'remote-unreachable': () => t('The server cannot be reached.'),
  'remote-untrusted': () => t('The certificate of the server is not trusted. Nothing was sent.'),
  'remote-url': () => t('The address of the server cannot be used.'),
  runtime: () => t('ONNX Runtime could not run the model.'),
  'small-window': () => t('The range is too short for the selection.'),
  'tokenizer-mismatch': () => t('The tokenizer of the model has no token for a part of the text.'),
  'too-long': () => t('The text is too long for this. Inspect fewer tokens.'),
  'too-slow': () => t('It took too long and was stopped.'),
  'unequal-texts': () => t('The two texts do not have the same number of tokens.'),
  'unknown-request': () => t('Parts of the extension do not understand each other. Reload the window.'),
  viewer: () => t('ONNX files are view-only. Select a model with weights.'),
};

/** Codes that have a sentence. */
export const failureCodes = Object.keys(sentences);

/** Begins with a sentence of the reader's language where VS Code has one that is not English. */
export function inReadersLanguage(failure: Failure): Failure {
  if (vscode.l10n.bundle === undefined || failure instanceof Cancelled) return failure;
  const sentence = Object.hasOwn(sentences, failure.code) ? sentences[failure.code]?.() : undefined;
  if (sentence === undefined) return failure;
  const inEnglish = t('{0} In English: {1}', sentence, failure.message);
  const translated = new Failure(failure.code, inEnglish, failure.actions);
  if (failure.stack !== undefined) translated.stack = failure.stack;
  return translated;
}
