/** An extension host with one panel that has a document on show, without VS Code: what a move of the cursor is measured in. */

import '../fixtures/vscode';
import type * as vscode from 'vscode';
import { Analysis } from '../../src/analysis/analysis';
import { Answers } from '../../src/analysis/answers';
import { RelevantContext } from '../../src/analysis/relevantContext';
import type { InferenceClient } from '../../src/inference/client';
import { connectPanel, type PanelServices } from '../../src/panel/bridge';

const silent = { onDidChange: () => ({ dispose() {} }), onDidChangeRanking: () => ({ dispose() {} }) };

/**
 * Inspects a document for a panel that is ready.
 * @param send gets the host's messages.
 * @returns also `receive`, which the panel's messages go to.
 */
export async function connectedPanel(
  client: InferenceClient,
  document: vscode.TextDocument,
  nTokens: number,
  modelDirectory: string,
  send: (message: unknown) => void,
) {
  const log = { info() {}, warn() {} } as unknown as vscode.LogOutputChannel;
  const settings = { maxTokens: nTokens, windowFollowsCursor: true, topK: 16, highlightCount: 16 } as never;
  const chosen = { modelDirectory, provider: 'cpu', nThreads: 1 } as const;
  const analysis = new Analysis(
    client,
    () => settings,
    async () => chosen,
    log,
  );
  const context = new RelevantContext(analysis, {} as never, { get: () => undefined, update: async () => {} } as never);
  let receive: (message: unknown) => void = () => {};
  const onMessage = (listener: (message: unknown) => void) => {
    receive = listener;
  };
  connectPanel({ send, onMessage }, {
    ...{ analysis, context, answers: new Answers(analysis), ablations: silent, search: silent, map: silent },
    comparison: { ...silent, holds: () => false },
    tab: { onDidAsk: silent.onDidChange, onDidPickCell: silent.onDidChange },
  } as unknown as PanelServices);
  receive({ kind: 'request', id: 1, name: 'ready', args: {} });
  await analysis.inspect({ document, range: null, anchor: 0 });
  return { analysis, context, receive };
}
