// An example of MTA Inspector's interface for other extensions: see api/mtaInspector.d.ts.
const vscode = require('vscode');

/** @typedef {import('../../api/mtaInspector').MtaInspectorExports} MtaInspectorExports */
/** @typedef {import('../../api/mtaInspector').MtaInspectorApi} MtaInspectorApi */

/** Layers that the attention view has shown since the last report. */
let shownLayers = /** @type {number[]} */ ([]);

/** @param {import('vscode').ExtensionContext} context */
async function activate(context) {
  const extension = vscode.extensions.getExtension('mta-inspector.mta-inspector');
  const offered = /** @type {MtaInspectorExports} */ (await extension?.activate());
  const api = offered.getApi(1);
  context.subscriptions.push(
    api.onDidFinishLayer(({ layer }) => shownLayers.push(layer.layerIdx)),
    vscode.commands.registerCommand('attentionReport.write', () => write(api)),
  );
}

/** @param {MtaInspectorApi} api */
async function write(api) {
  const editor = vscode.window.activeTextEditor;
  const folder = vscode.workspace.workspaceFolders?.[0];
  if (!editor || !folder) return;
  const { document, selection } = editor;
  const cursor = document.offsetAt(selection.active);
  const layers = /** @type {number[]} */ ([]);
  const analysis = await api.analyze(document, { anchor: cursor, onLayer: layer => layers.push(layer.layerIdx) });
  try {
    const queryIdx = analysis.tokenAt(cursor) ?? 0;
    const map = { layerIdx: analysis.model.nLayers - 1, headIdx: 0 };
    const size = Math.min(4, analysis.tokens.length);
    const corner = { queryStart: 0, keyStart: 0, nQueries: size, nKeys: size };
    const range = { first: queryIdx, end: queryIdx + 1 };
    const input = { line: selection.active.line + 1, maxLines: 3 };
    const answer = await vscode.lm.invokeTool('mtaInspector_attendedContext', {
      input,
      toolInvocationToken: undefined,
    });
    const report = {
      ...{ model: analysis.model, nTokens: analysis.tokens.length, layers, queryIdx },
      token: analysis.tokens[queryIdx],
      surprisalBits: analysis.surprisalBits?.[queryIdx],
      strongest: await analysis.strongestKeys(map, queryIdx, 5),
      row: Array.from(await analysis.row({ ...map, stage: 'scores' }, queryIdx)),
      // What is masked is NaN, which JSON writes as null.
      tile: Array.from(await analysis.tile({ ...map, stage: 'pattern' }, corner)),
      relevance: Array.from(await analysis.relevance(range, { method: 'rollout' })),
      shown: { layers: shownLayers, nTokens: api.shown?.tokens.length ?? null },
      tool: answer.content.map(part => (part instanceof vscode.LanguageModelTextPart ? part.value : '')).join(''),
    };
    shownLayers = [];
    const file = vscode.Uri.joinPath(folder.uri, 'attention-report.json');
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(JSON.stringify(report)));
  } finally {
    analysis.dispose();
  }
}

module.exports = { activate };
