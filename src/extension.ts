/** Composition root: builds the parts, hands them each other, registers them. */

import './translations';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { MtaInspectorExports } from '../api/mtaInspector';
import { Ablations } from './analysis/ablations';
import { AddedModels } from './analysis/addedModels';
import { Analysis } from './analysis/analysis';
import { Answers } from './analysis/answers';
import { ChangedRuns } from './analysis/changedRuns';
import { Comparison } from './analysis/comparison';
import { contributedModels, withinExtensions } from './analysis/contributedModels';
import { DocumentSearch } from './analysis/documentSearch';
import { exportSource } from './analysis/exportSource';
import { FolderReader } from './analysis/folderReader';
import { chooseModel } from './analysis/modelChoice';
import { OcclusionRuns } from './analysis/occlusionRuns';
import { RangeLength } from './analysis/rangeLength';
import { RelevantContext } from './analysis/relevantContext';
import { RetrievalHeads } from './analysis/retrievalHeads';
import { AnalysisRuns } from './api/analysisRuns';
import { registerAttentionTool } from './api/attentionTool';
import { exportsOf } from './api/exports';
import { ShownRuns } from './api/shownRuns';
import { ContextKeys } from './contextKeys';
import { commands, contextKeys, views } from './contributionIds';
import { followSettings, readSettings as readOwnSettings, type Settings } from './contributions';
import { registerCommands, withErrorReporting } from './editor/commands';
import { compare } from './editor/compareCommand';
import { registerContextCommands } from './editor/contextCommands';
import { registerContinueText } from './editor/continueCommand';
import { CursorMoves } from './editor/cursorMoves';
import { AttentionDecorations } from './editor/decorations';
import { AttentionHover } from './editor/hover';
import { HubCommands } from './editor/hubCommands';
import { registerMaintenanceCommands } from './editor/maintenanceCommands';
import { removeModel, useModel } from './editor/modelCommands';
import { ModelTree } from './editor/modelTree';
import { PlaceMarks } from './editor/placeMarks';
import { RemoteToken } from './editor/remoteToken';
import { registerRetrievalHeads } from './editor/retrievalHeadsCommand';
import { revealLine, revealOffset, revealToken } from './editor/reveal';
import { findingIn, type Sample, Samples, showWhile } from './editor/samples';
import { SearchMarks } from './editor/searchMarks';
import { StatusBar } from './editor/statusBar';
import { SurprisalMarks } from './editor/surprisalMarks';
import { takeTour } from './editor/tour';
import { ViewLinks } from './editor/viewLinks';
import { WindowFollower } from './editor/windowFollower';
import { WindowMarks } from './editor/windowMarks';
import { inReadersLanguage } from './failureTexts';
import { InferenceClient } from './inference/client';
import { startProcess } from './inference/startProcess';
import { createLog } from './log';
import { AttentionEditor } from './panel/attentionEditor';
import { AttentionView } from './panel/attentionView';
import { MapExporter } from './panel/mapExporter';
import { PanelTab } from './panel/panelTab';
import type { Cell } from './shared/address';

export function activate(extension: vscode.ExtensionContext): MtaInspectorExports {
  const { subscriptions, extensionUri, globalState, workspaceState, secrets } = extension;
  subscriptions.push(followSettings());
  const log = createLog();
  const isLengthAutomatic = () => readOwnSettings().maxTokens === 0;
  /** The settings, with the length of a range where they leave it open. */
  const readSettings = (): Settings => {
    const own = readOwnSettings();
    return own.maxTokens > 0 ? own : { ...own, maxTokens: analysis.automaticLength };
  };
  const bundled = vscode.Uri.joinPath(extensionUri, 'models', 'bundled').fsPath;
  const token = new RemoteToken(secrets);
  const here = { env: process.env, home: homedir(), platform: process.platform, join };
  const contributed = () => withinExtensions(contributedModels(vscode.extensions.all));
  const chooseOf = async (settings: Settings) =>
    chooseModel(settings, bundled, vscode.workspace.isTrusted, () => token.read(), await contributed());
  /** @param name of a bundled model, or a folder, in place of what the settings say. */
  const model = (name?: string) =>
    chooseOf(name === undefined ? readOwnSettings() : { ...readOwnSettings(), model: name, remote: null });
  const processPath = vscode.Uri.joinPath(extensionUri, 'dist', 'inference.cjs').fsPath;
  const start = (isPacked?: boolean) => startProcess(processPath, log, isPacked);
  const client = new InferenceClient(start, undefined, undefined, inReadersLanguage);
  const folders = new FolderReader(start, undefined, inReadersLanguage);
  const describe = (directory: string, maxMs: number) => folders.read('describeFolder', directory, maxMs);
  const hasChatTemplate = async () => {
    const { modelDirectory, remote } = await model();
    // A model that cannot be read is the continuation's to report.
    return !remote && folders.read('hasChatTemplate', modelDirectory, 20_000).catch(() => false);
  };
  const models = new AddedModels(globalState, bundled, undefined, describe, contributed);
  const analysis = new Analysis(client, readSettings, model, log, new RangeLength(globalState), isLengthAutomatic);
  const context = new RelevantContext(
    analysis,
    new OcclusionRuns(client),
    workspaceState,
    () => readOwnSettings().relevanceMethod,
  );
  const search = new DocumentSearch(analysis, context, client, readSettings, log);
  const moves = new CursorMoves();
  const decorations = new AttentionDecorations(analysis, context, readSettings, moves);
  const ablations = new Ablations(analysis, client, readSettings, log);
  const comparison = new Comparison(analysis, client, readSettings, log);
  const exporter = new MapExporter(analysis, extensionUri);
  const tab = new PanelTab();
  const placeMarks = new PlaceMarks(analysis);
  const page = {
    ...{ extensionUri, analysis, ablations, comparison, context, search, exporter, tab },
    answers: new Answers(analysis),
    changed: new ChangedRuns(analysis, client),
    reveal: (tokenIdx: number) => revealToken(analysis, tokenIdx),
    showPlace: (cell: Cell) => placeMarks.show(cell),
    revealLine: (lineIdx: number) => revealLine(analysis, lineIdx),
    revealInDocument: (offset: number) => revealOffset(search.searchedDocument, offset),
  };
  const editorPanel = new AttentionEditor(page);
  const showPanel = () => editorPanel.show();
  const samples = new Samples(extensionUri, contributed);
  const inspectSample = async (sample: Sample) => {
    // All at once: opening the panel and loading the model take as long as showing the text.
    showPanel();
    const { model } = sample;
    analysis.prepare(model);
    const own = model === undefined ? {} : { model };
    await showWhile(sample, document =>
      analysis.inspect({ document, range: null, anchor: findingIn(sample, document) ?? 0, ...own }),
    );
  };
  const keys = new ContextKeys((key, value) => void vscode.commands.executeCommand('setContext', key, value));
  const runReported = (run: () => Promise<void>) => withErrorReporting(log, run);
  const links = new ViewLinks(
    analysis,
    ablations,
    comparison,
    tab,
    models,
    workspaceState,
    log,
    runReported,
    showPanel,
  );
  const retrievalHeads = new RetrievalHeads(analysis, client, globalState);
  const runs = new AnalysisRuns(client, () => analysis.nextId(), readSettings, model, log);
  const shown = new ShownRuns(analysis);
  subscriptions.push(
    log,
    client,
    folders,
    analysis,
    shown,
    registerAttentionTool(runs, model => retrievalHeads.chosenFor(model)),
    ablations,
    comparison,
    context,
    search,
    moves,
    decorations,
    links,
    tab,
    new StatusBar(analysis),
    new WindowFollower(analysis, moves, log, runReported),
    placeMarks,
    new WindowMarks(analysis),
    new SurprisalMarks(analysis, runReported),
    new SearchMarks(search, analysis, runReported, showPanel),
    editorPanel,
    registerCommands(analysis, ablations, decorations, showPanel, tab, log, models, folders),
    registerContextCommands(analysis, context, decorations, moves, search, runReported, showPanel),
    registerRetrievalHeads(retrievalHeads, context, runReported),
    registerMaintenanceCommands(analysis, () => client.restart(), tab, readSettings, runReported, showPanel),
    vscode.commands.registerCommand(commands.removeModel, (model?: { readonly directory?: unknown }) =>
      runReported(() => removeModel(models, typeof model?.directory === 'string' ? model.directory : undefined)),
    ),
    registerContinueText((...args) => runs.continueText(...args), hasChatTemplate, runReported),
    samples,
    new ModelTree(models, analysis, readSettings, ({ setting }) => runReported(() => useModel(setting))),
    vscode.commands.registerCommand(commands.openSamples, () => {
      // A webview takes seconds to start, and so does the process with its model: both while a sample is picked. A model
      // that has been in use stays, and with it the current run.
      showPanel();
      if (analysis.chosenModel) client.warmUp();
      else analysis.prepare();
      return runReported(() => samples.open(inspectSample));
    }),
    vscode.commands.registerCommand(commands.takeTour, () =>
      runReported(() => takeTour(samples, analysis, tab, inspectSample)),
    ),
    vscode.commands.registerCommand(commands.compare, () =>
      runReported(() =>
        compare(analysis, comparison, models, folders, () => {
          showPanel();
          tab.show('compare');
        }),
      ),
    ),
    vscode.commands.registerCommand(commands.endComparison, () => comparison.end()),
    comparison.onDidChange(state => {
      keys.set(contextKeys.isCompared, state !== null);
    }),
    vscode.commands.registerCommand(commands.copyLink, () => runReported(() => links.copyLink())),
    vscode.commands.registerCommand(commands.openLink, () => runReported(() => links.openLink())),
    token.register(runReported),
    vscode.extensions.onDidChange(() => models.refresh()),
    new HubCommands(secrets, folders, here).register(runReported),
    vscode.commands.registerCommand(commands.saveMap, () =>
      runReported(async () => {
        exportSource(analysis); // fails at once when there is nothing
        showPanel();
        tab.show('export');
      }),
    ),
    vscode.window.registerUriHandler(links),
    vscode.window.registerWebviewViewProvider(views.attention, new AttentionView(page)),
    // A selector of `*` ranks lowest, so that this hover comes after those of the language.
    vscode.languages.registerHoverProvider('*', new AttentionHover(analysis, context, readSettings)),
    vscode.workspace.onDidChangeConfiguration(change => {
      if (change.affectsConfiguration('mtaInspector')) log.info('settings changed');
    }),
    analysis.onDidChange(({ status, ablation, isPinned, selectedToken }) => {
      keys.set(contextKeys.isPinned, isPinned);
      const isRunning = status === 'loading' || status === 'running';
      keys.set(contextKeys.isRunning, isRunning);
      const isAblated = ablation.shown.edits.length > 0 || ablation.requested.edits.length > 0;
      keys.set(contextKeys.isAblated, isAblated);
      keys.set(contextKeys.canUndoAblation, ablation.canUndo);
      keys.set(contextKeys.canRedoAblation, ablation.canRedo);
      keys.set(contextKeys.hasAnalysis, status === 'done');
      keys.set(contextKeys.hasSelection, status === 'done' && selectedToken !== null);
    }),
  );
  void links.restore();
  return exportsOf(shown, runs);
}
