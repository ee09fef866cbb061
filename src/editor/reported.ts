/** Commands whose failures the user hears of. */

import * as vscode from 'vscode';
import type { DisposableStore } from '../lifecycle';

/** Runs what a command does and reports its failure. */
export type RunReported = (run: () => Promise<void>) => Promise<void>;

/** @returns what registers a command by its id, until the store is disposed. */
export function registerReported(store: DisposableStore, runReported: RunReported) {
  return (id: string, run: () => Promise<void>) =>
    store.add(vscode.commands.registerCommand(id, () => runReported(run)));
}
