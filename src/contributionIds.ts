/** The ids themselves, free of `vscode` so that plain tests can read them. */

/** Publisher and name of package.json. */
export const extensionId = 'mta-inspector.mta-inspector';

export const commands = {
  inspectDocument: 'mtaInspector.inspectDocument',
  inspectSelection: 'mtaInspector.inspectSelection',
  cancel: 'mtaInspector.cancel',
  selectModel: 'mtaInspector.selectModel',
  addModel: 'mtaInspector.addModel',
  addModelFromHub: 'mtaInspector.addModelFromHub',
  removeFromCache: 'mtaInspector.removeFromCache',
  setHubToken: 'mtaInspector.setHubToken',
  clearHubToken: 'mtaInspector.clearHubToken',
  clearHighlights: 'mtaInspector.clearHighlights',
  toggleHighlights: 'mtaInspector.toggleHighlights',
  goToHead: 'mtaInspector.goToHead',
  viewTable: 'mtaInspector.viewTable',
  toggleSurprisal: 'mtaInspector.toggleSurprisal',
  /** Of links in our own hover. */
  showToken: 'mtaInspector.showToken',
  explainToken: 'mtaInspector.explainToken',
  openInEditor: 'mtaInspector.openInEditor',
  resetAblation: 'mtaInspector.resetAblation',
  undoAblation: 'mtaInspector.undoAblation',
  redoAblation: 'mtaInspector.redoAblation',
  nextRelevantPlace: 'mtaInspector.nextRelevantPlace',
  previousRelevantPlace: 'mtaInspector.previousRelevantPlace',
  showRelevantLines: 'mtaInspector.showRelevantLines',
  findContext: 'mtaInspector.findContext',
  checkByOccluding: 'mtaInspector.checkByOccluding',
  chooseRelevance: 'mtaInspector.chooseRelevance',
  useRetrievalHeads: 'mtaInspector.useRetrievalHeads',
  continueText: 'mtaInspector.continueText',
  saveMap: 'mtaInspector.saveMap',
  copyLink: 'mtaInspector.copyLink',
  openLink: 'mtaInspector.openLink',
  compare: 'mtaInspector.compare',
  endComparison: 'mtaInspector.endComparison',
  pinWindow: 'mtaInspector.pinWindow',
  followCursor: 'mtaInspector.followCursor',
  useModel: 'mtaInspector.useModel',
  revealModel: 'mtaInspector.revealModel',
  refreshModels: 'mtaInspector.refreshModels',
  removeModel: 'mtaInspector.removeModel',
  openSamples: 'mtaInspector.openSamples',
  takeTour: 'mtaInspector.takeTour',
  searchDocument: 'mtaInspector.searchDocument',
  cancelSearch: 'mtaInspector.cancelSearch',
  showLog: 'mtaInspector.showLog',
  openSettings: 'mtaInspector.openSettings',
  openWalkthrough: 'mtaInspector.openWalkthrough',
  restartInference: 'mtaInspector.restartInference',
  reportIssue: 'mtaInspector.reportIssue',
  setRemoteToken: 'mtaInspector.setRemoteToken',
  clearRemoteToken: 'mtaInspector.clearRemoteToken',
} as const;

/** Ids of earlier versions, which people's keybindings may name, and the commands that they run. */
export const formerCommands = {
  'mtaInspector.mapDocument': commands.searchDocument,
  'mtaInspector.cancelMap': commands.cancelSearch,
} as const;

export const views = {
  attention: 'mtaInspector.attention',
  attentionEditor: 'mtaInspector.attentionEditor',
  models: 'mtaInspector.models',
  container: 'mtaInspector',
} as const;

export const contextKeys = {
  isRunning: 'mtaInspector.isRunning',
  isAblated: 'mtaInspector.isAblated',
  isCompared: 'mtaInspector.isCompared',
  hasAnalysis: 'mtaInspector.hasAnalysis',
  hasSelection: 'mtaInspector.hasSelection',
  isPinned: 'mtaInspector.isPinned',
  canUndoAblation: 'mtaInspector.canUndoAblation',
  canRedoAblation: 'mtaInspector.canRedoAblation',
  isSearching: 'mtaInspector.isSearching',
} as const;

/** Context keys of earlier versions, which people's keybindings may name, and the keys whose value they have. */
export const formerContextKeys = { 'mtaInspector.isMapping': contextKeys.isSearching } as const;

export const settings = [
  'mtaInspector.model',
  'mtaInspector.backend',
  'mtaInspector.inference.threads',
  'mtaInspector.inference.memoryBudgetMb',
  'mtaInspector.inference.quantizedWeights',
  'mtaInspector.range.maxTokens',
  'mtaInspector.range.followsCursor',
  'mtaInspector.inspect.onEdit',
  'mtaInspector.relevance.method',
  'mtaInspector.export.byteOrderMark',
  'mtaInspector.hover.enabled',
  'mtaInspector.highlight.enabled',
  'mtaInspector.highlight.count',
  'mtaInspector.panel.location',
  'mtaInspector.colorScale',
  'mtaInspector.remote.url',
  'mtaInspector.remote.model',
  'mtaInspector.remote.timeout',
  'mtaInspector.remote.retries',
  'mtaInspector.remote.certificateAuthority',
] as const;
export type SettingId = (typeof settings)[number];

/** Ids of earlier versions, by the ids that follow them. A value of the new id wins. */
export const formerSettings: Readonly<Partial<Record<SettingId, string>>> = {
  'mtaInspector.backend': 'mtaInspector.provider',
  'mtaInspector.inference.threads': 'mtaInspector.threads',
  'mtaInspector.inference.memoryBudgetMb': 'mtaInspector.memoryBudgetMb',
  'mtaInspector.inference.quantizedWeights': 'mtaInspector.quantizedWeights',
  'mtaInspector.range.maxTokens': 'mtaInspector.maxTokens',
  'mtaInspector.range.followsCursor': 'mtaInspector.window.followsCursor',
  'mtaInspector.inspect.onEdit': 'mtaInspector.analyzeOnEdit',
};
/** Of an earlier version, without one that follows it. */
export const keysPerTokenSetting = 'mtaInspector.topK';

/** For assistants. */
export const tools = {
  attendedContext: 'mtaInspector_attendedContext',
} as const;

export const colors = {
  positive: [1, 2, 3, 4].map(step => `mtaInspector.attention.positive${step}`),
  negative: [1, 2, 3, 4].map(step => `mtaInspector.attention.negative${step}`),
  /** Lines under the marked places, whose backgrounds are the colors above. */
  underline: {
    positive: 'mtaInspector.attention.underline.positive',
    negative: 'mtaInspector.attention.underline.negative',
  },
  surprisal: [1, 2, 3, 4].map(step => `mtaInspector.surprisal${step}`),
  selected: 'mtaInspector.selectedToken.border',
  window: 'mtaInspector.window.border',
  /** Of the document search. Their ids are older than its name; people's settings name them. */
  search: [1, 2, 3, 4].map(step => `mtaInspector.map.line${step}`),
} as const;
