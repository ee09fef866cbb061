/** Joins one webview to the analysis: its requests are checked and answered, the analysis' events passed on. */

import * as vscode from 'vscode';
import type { Ablations } from '../analysis/ablations';
import type { Analysis } from '../analysis/analysis';
import type { Answers } from '../analysis/answers';
import type { ChangedRuns } from '../analysis/changedRuns';
import type { Comparison } from '../analysis/comparison';
import type { DocumentSearch } from '../analysis/documentSearch';
import type { RelevantContext } from '../analysis/relevantContext';
import { commands } from '../contributionIds';
import { failures } from '../errors';
import { DisposableStore } from '../lifecycle';
import type { Cell } from '../shared/address';
import { toPanelContext } from '../shared/panel/context';
import type { PanelCommand, PanelEvents, PanelRequests } from '../shared/panel/panelMessages';
import { panelArguments } from '../shared/panel/panelSchemas';
import { PanelSender } from '../shared/panel/panelUpdates';
import { FileParts } from '../shared/tools/fileParts';
import { type None, Rpc, type Wire } from '../shared/tools/rpc';
import { checkCell, checkPart, checkRange, checkRow, checkSelection, checkView } from './checkRequests';
import type { MapExporter } from './mapExporter';
import type { PanelTab } from './panelTab';

const commandOf: Readonly<Record<PanelCommand, string>> = {
  inspectDocument: commands.inspectDocument,
  inspectSelection: commands.inspectSelection,
  cancel: commands.cancel,
  selectModel: commands.selectModel,
  showLog: commands.showLog,
  compare: commands.compare,
  endComparison: commands.endComparison,
  openSettings: 'workbench.action.openSettings',
  copyLink: commands.copyLink,
  findContext: commands.findContext,
  searchDocument: commands.searchDocument,
  cancelSearch: commands.cancelSearch,
  showRelevantLines: commands.showRelevantLines,
};

/** What a webview is joined to. */
export interface PanelServices {
  readonly analysis: Analysis;
  readonly ablations: Ablations;
  readonly comparison: Comparison;
  readonly context: RelevantContext;
  readonly search: DocumentSearch;
  readonly exporter: MapExporter;
  readonly answers: Answers;
  readonly changed: ChangedRuns;
  readonly tab: PanelTab;
  /** Shows a token in its document. */
  readonly reveal: (tokenIdx: number) => void;
  /** Shows a line of the inspected document, from 0. */
  readonly revealLine: (lineIdx: number) => void;
  /** Frames the two tokens of a cell in the document and shows them. */
  readonly showPlace: (cell: Cell) => void;
  /** Shows a place of the searched document, UTF-16. */
  readonly revealInDocument: (offset: number) => Promise<void>;
}

/** @returns what ends the connection. */
export function connectPanel(wire: Wire, services: PanelServices): vscode.Disposable {
  const { analysis, ablations, comparison, context, search, exporter, tab } = services;
  const store = new DisposableStore();
  const { details } = analysis;
  const detailsOf = (analysisId: number) => {
    if (services.changed.holds(analysisId)) return services.changed.details;
    return comparison.holds(analysisId) ? comparison.details : details;
  };
  const picture = new FileParts();
  const nTokens = () => analysis.snapshot.tokens?.labels.length ?? 0;
  const rpc = new Rpc<None, PanelRequests, None, PanelEvents>(
    wire,
    {
      ready: () => sender.start(analysis.snapshot),
      overview: (args, signal) => detailsOf(args.analysisId).overview(args, signal),
      tile: (args, signal) => detailsOf(args.analysisId).tile(args, signal),
      patch: (args, signal) => details.patch(args, signal),
      kernels: (args, signal) => details.kernels(args, signal),
      kernelHistory: (args, signal) => details.kernelHistory(args, signal),
      largestChanges: (args, signal) => details.largestChanges(args, signal),
      setView: args => analysis.setView(checkView(args, analysis.snapshot.model)),
      selectToken(args) {
        const { tokenIdx, anchorIdx, reveal: isRevealed } = checkSelection(args, nTokens());
        analysis.selectToken(tokenIdx, anchorIdx);
        if (isRevealed && tokenIdx !== null) services.reveal(tokenIdx);
      },
      comparison: () => comparison.snapshot,
      setAblation: args => ablations.set(args),
      stepAblation: args => ablations.step(args.step),
      rankAblations({ withHeads }) {
        void ablations.rank(withHeads);
      },
      cancelRanking: () => ablations.cancelRanking(),
      ranking: () => ablations.ranking,
      headMeasures: (args, signal) => details.headMeasures(args, signal),
      thumbnails: args => details.thumbnails(args),
      predictions: ({ analysisId }) => detailsOf(analysisId).predictions(analysisId),
      answer: (args, signal) => services.answers.answer(checkRow(args, nTokens()), signal),
      change: (args, signal) => services.changed.change(args, signal),
      ablateHeads: (args, signal) => details.ablateHeads(args, signal),
      hide: (args, signal) => services.answers.hide(checkRow(args, nTokens()), signal),
      rangeWeights(args, signal) {
        const { analysisId, range, direction, ...view } = checkRange(args, nTokens());
        if (analysisId !== analysis.snapshot.analysisId) throw failures.noAnalysis();
        return details.relevance({ method: 'head', direction, heads: 'layer' }, range, { analysisId, ...view }, signal);
      },
      context: () => toPanelContext(context.snapshot),
      contextLines: () => ({ linesId: context.snapshot.linesId, lines: context.snapshot.lines }),
      setRelevance: args => context.setOptions(args),
      occlude({ mode }) {
        return context.occlude(mode);
      },
      cancelOcclusion: () => context.cancelOcclusion(),
      revealLine({ lineIdx }) {
        services.revealLine(lineIdx);
      },
      showPlace(args) {
        services.showPlace(checkCell(args, nTokens()));
      },
      documentSearch: () => search.snapshot,
      revealInDocument: ({ offset }) => services.revealInDocument(offset),
      tab: () => tab.take(),
      setTab(args) {
        tab.shown = args.tab;
      },
      save: args => exporter.save(args.format, checkPart(args, nTokens())),
      copy: args => exporter.copy(args.format, checkPart(args, nTokens())),
      picture: ({ partIdx, ...choice }) => picture.part(partIdx, () => exporter.picture(checkPart(choice, nTokens()))),
      async command({ command }) {
        const args = command === 'openSettings' ? ['mtaInspector'] : [];
        await vscode.commands.executeCommand(commandOf[command], ...args);
      },
    },
    { args: panelArguments },
  );
  const sender = new PanelSender({
    tokens: tokens => rpc.emit('tokens', tokens),
    state: update => rpc.emit('state', update),
  });
  store.add(analysis.onDidChange(state => sender.send(state)));
  store.add(comparison.onDidChange(state => rpc.emit('comparison', state)));
  store.add(ablations.onDidChangeRanking(ranking => rpc.emit('ranking', ranking)));
  store.add(tab.onDidAsk(tab => rpc.emit('tab', { tab })));
  store.add(tab.onDidPickCell(cell => rpc.emit('cell', cell)));
  store.add(context.onDidChange(state => rpc.emit('context', toPanelContext(state))));
  store.add(search.onDidChange(state => rpc.emit('documentSearch', state)));
  return store;
}
