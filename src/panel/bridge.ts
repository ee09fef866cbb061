/** Joins one webview to the analysis: its requests are checked and answered, the analysis' events passed on. */

import * as vscode from 'vscode';
import type { Ablations } from '../analysis/ablations';
import type { Analysis } from '../analysis/analysis';
import { commands } from '../contributionIds';
import { DisposableStore } from '../lifecycle';
import type { PanelCommand, PanelEvents, PanelRequests, WebviewEvents, WebviewRequests } from '../shared/panelMessages';
import { Rpc, type Wire } from '../shared/rpc';
import {
  checkLayer,
  checkMap,
  checkPart,
  checkPatch,
  checkSelection,
  checkStep,
  checkThumbnails,
  checkTile,
  checkView,
} from './checkRequests';

const commandOf: Readonly<Record<PanelCommand, string>> = {
  inspectDocument: commands.inspectDocument,
  inspectSelection: commands.inspectSelection,
  cancel: commands.cancel,
  selectModel: commands.selectModel,
  showLog: commands.showLog,
  openSettings: 'workbench.action.openSettings',
};

/** @returns what ends the connection. */
export function connectPanel(
  wire: Wire,
  analysis: Analysis,
  ablations: Ablations,
  reveal: (tokenIdx: number) => void,
): vscode.Disposable {
  const store = new DisposableStore();
  const rpc = new Rpc<WebviewRequests, PanelRequests, WebviewEvents, PanelEvents>(wire, {
    ready: () => analysis.snapshot,
    overview: (args, signal) => analysis.overview(checkMap(args), signal),
    tile: (args, signal) => analysis.tile(checkTile(args), signal),
    patch: (args, signal) => analysis.patch(checkPatch(args), signal),
    kernels: (args, signal) => analysis.kernels(checkLayer(args), signal),
    largestChanges: (args, signal) => analysis.largestChanges(checkPart(args), signal),
    setView: args => analysis.setView(checkView(args, analysis.snapshot.model)),
    selectToken(args) {
      const { tokenIdx, reveal: isRevealed } = checkSelection(args, analysis.snapshot.tokens?.labels.length ?? 0);
      analysis.selectToken(tokenIdx);
      if (isRevealed && tokenIdx !== null) reveal(tokenIdx);
    },
    setAblation: args => ablations.set(args),
    stepAblation: args => ablations.step(checkStep(args)),
    rankAblations({ withHeads }) {
      void ablations.rank(withHeads === true);
    },
    cancelRanking: () => ablations.cancelRanking(),
    ranking: () => ablations.ranking,
    headMeasures: (args, signal) => analysis.headMeasures(checkLayer(args), signal),
    thumbnails: args => analysis.thumbnails(checkThumbnails(args)),
    async command({ command }) {
      if (!Object.hasOwn(commandOf, command)) throw new RangeError(`unknown command ${String(command)}`);
      const args = command === 'openSettings' ? ['mtaInspector'] : [];
      await vscode.commands.executeCommand(commandOf[command], ...args);
    },
  });
  store.add(analysis.onDidChange(state => rpc.emit('state', state)));
  store.add(ablations.onDidChangeRanking(ranking => rpc.emit('ranking', ranking)));
  store.add(analysis.onDidFinishLayer(layer => rpc.emit('layer', layer)));
  return store;
}
