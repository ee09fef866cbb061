/** Which files the assistants' tool reads, which it asks about, and which it refuses. */

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import '../../fixtures/vscode';
import * as vscode from 'vscode';
import type { AnalysisRuns } from '../../../src/api/analysisRuns';
import { registerAttentionTool } from '../../../src/api/attentionTool';
import { tools } from '../../../src/contributionIds';
import { codeSpan } from '../../../src/shared/tools/markdown';
import { editor } from '../../fixtures/vscode';

const root = 'vscode-vfs://host/repo';
const inside = vscode.Uri.parse(`${root}/a.ts`);
const outside = vscode.Uri.parse('file:///home/`x` [a](command:b).txt');
const none = {} as vscode.CancellationToken;
const reads: string[] = [];

beforeEach(() => {
  editor.reset();
  reads.length = 0;
  Object.assign(vscode.workspace, { workspaceFolders: [{ name: 'repo', uri: vscode.Uri.parse(root), index: 0 }] });
  for (const { path } of [inside, outside]) editor.files.set(path, new TextEncoder().encode('text'));
  const analyze = async ({ uri }: vscode.TextDocument) => {
    reads.push(uri.path);
    throw new Error('read');
  };
  registerAttentionTool({ analyze } as unknown as AnalysisRuns, () => null);
});

const tool = () => editor.tools.get(tools.attendedContext) as vscode.LanguageModelTool<unknown>;
const confirmation = async (input: unknown) => (await tool().prepareInvocation!({ input }, none))?.confirmationMessages;
const invoke = (input: unknown) => tool().invoke({ input, toolInvocationToken: undefined }, none) as Promise<unknown>;

test('a file of the workspace is read without asking', async () => {
  for (const file of ['a.ts', 'x/../a.ts', '/repo/a.ts', `${root}/a.ts`]) {
    assert.equal(await confirmation({ file, line: 1 }), undefined);
    await assert.rejects(invoke({ file, line: 1 }), /^Error: read$/);
  }
  assert.equal(reads.length, 4);
});

test('what is neither in the workspace nor in a tab is refused, and not asked about', async () => {
  for (const file of [String(outside), '../a.ts', `${root}/../a.ts`, 'vscode-vfs://other/repo/a.ts', '/etc/hosts']) {
    assert.equal(await confirmation({ file, line: 1 }), undefined);
    await assert.rejects(invoke({ file, line: 1 }), /Cannot read/);
  }
  assert.deepEqual(reads, []);
});

test('a tab outside the workspace is asked about, with its whole path as text', async () => {
  editor.tabs = [outside];
  const asked = await confirmation({ file: String(outside), line: 1 });
  assert.match(asked!.title, /outside the workspace\?$/);
  const { value, isTrusted, supportHtml } = asked!.message as vscode.MarkdownString;
  assert.ok(value.startsWith(codeSpan(outside.fsPath)), value);
  assert.ok(!isTrusted && !supportHtml);
});

test('the editor with the cursor is asked about where its file, or its cell’s notebook, is outside', async () => {
  const { asDocument: document } = editor.show(editor.open('text')).document;
  assert.ok(await confirmation({ line: 1 }));
  editor.notebooks = [{ uri: inside, getCells: () => [{ document, index: 0 }] }];
  assert.equal(await confirmation({ line: 1 }), undefined);
  await assert.rejects(invoke({ line: 1 }), /^Error: read$/);
});

test('input that is wrong is refused by the invocation, where an assistant reads why', async () => {
  for (const input of [undefined, { file: 7 }, {}]) assert.equal(await confirmation(input), undefined);
  await assert.rejects(invoke({ file: 7 }), /"file" must be text/);
});

test('heads that find context: those that the user chose for the model, or those that the text’s repeated words choose', async () => {
  const head = { layerIdx: 1, headIdx: 0 };
  const model = { name: 'tiny', nLayers: 2, nHeads: 2, maxSeqlen: 8, vocabSize: 9, nParameters: 1e6 };
  const window = { start: 0, end: 4, documentLength: 4 };
  const used: unknown[] = [];
  const analysis = {
    ...{ model, window, surprisalBits: undefined, tokens: [{ id: 1, label: 'text', start: 0, end: 4 }] },
    tokenAt: () => 0,
    relevance: async (_: unknown, { heads }: { heads: unknown }) => {
      used.push(heads);
      return Float32Array.of(0);
    },
    dispose() {},
  };
  const chooseHeads = async (_: unknown, options: unknown) => {
    used.push(options);
    return [{ ...head, score: 1 }];
  };
  const runs = { analyze: async () => analysis, chooseHeads } as unknown as AnalysisRuns;
  const ask = async (chosen: readonly { layerIdx: number; headIdx: number }[] | null, heads: string) => {
    registerAttentionTool(runs, asked => (asked.name === 'tiny' ? chosen : null));
    const { content } = (await invoke({ file: 'a.ts', line: 1, heads })) as { content: { value: string }[] };
    return content[0]!.value;
  };
  assert.match(await ask([head], 'retrieval'), /the heads that find context \(layer 1, head 0; chosen by the user\)/);
  assert.match(await ask(null, 'retrieval'), /layer 1, head 0; chosen by the words that the text repeats\)/);
  assert.match(await ask([head], 'all'), /the mean over all heads/);
  assert.deepEqual(used, [[head], { range: window }, [{ ...head, score: 1 }], 'all']);
});
