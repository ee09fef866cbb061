/**
 * The extension's one log channel. Never document text: lengths, versions and times only. What others chose (names, failures of
 * a server) makes no entry of its own.
 */

import * as vscode from 'vscode';
import { type FailureData, toFailureData } from './shared/tools/failure';
import { logText } from './shared/tools/plainText';

export function createLog(): vscode.LogOutputChannel {
  const channel = vscode.window.createOutputChannel('MTA Inspector', { log: true });
  return {
    name: channel.name,
    get logLevel() {
      return channel.logLevel;
    },
    onDidChangeLogLevel: channel.onDidChangeLogLevel,
    trace: message => channel.trace(logText(message)),
    debug: message => channel.debug(logText(message)),
    info: message => channel.info(logText(message)),
    warn: message => channel.warn(logText(message)),
    error: error => channel.error(logText(error instanceof Error ? (error.stack ?? error.message) : error)),
    append: text => channel.append(logText(text)),
    appendLine: text => channel.appendLine(logText(text)),
    replace: text => channel.replace(logText(text)),
    clear: () => channel.clear(),
    show: () => channel.show(),
    hide: () => channel.hide(),
    dispose: () => channel.dispose(),
  };
}

/** Writes down what failed in the background. @returns the failure as the panel shows it. */
export function logFailure(log: vscode.LogOutputChannel, error: unknown): FailureData {
  const failure = toFailureData(error);
  log.warn(failure.stack ?? failure.message);
  return failure;
}
