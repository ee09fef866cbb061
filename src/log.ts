/** The extension's one log channel. Never document text: lengths, versions and times only. */

import * as vscode from 'vscode';
import { type FailureData, toFailureData } from './shared/tools/failure';

export function createLog(): vscode.LogOutputChannel {
  return vscode.window.createOutputChannel('MTA Inspector', { log: true });
}

/** Writes down what failed in the background. @returns the failure as the panel tells it. */
export function logFailure(log: vscode.LogOutputChannel, error: unknown): FailureData {
  const failure = toFailureData(error);
  log.warn(failure.stack ?? failure.message);
  return failure;
}
