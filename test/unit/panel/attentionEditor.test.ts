/** The panel comes into view where the settings say, and its pages have the colors that they name. */

import '../../fixtures/vscode';
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import * as vscode from 'vscode';
import { AttentionEditor } from '../../../src/panel/attentionEditor';
import { fillWebview, type PageContext } from '../../../src/panel/webviewPage';
import { editor } from '../../fixtures/vscode';

const listener = () => ({ dispose() {} });
/** A webview as VS Code gives it to an extension; what it needs of the rest of the panel answers nothing. */
const webview = () => ({
  ...{ html: '', cspSource: 'https://w', options: {} },
  asWebviewUri: (uri: unknown) => uri,
  onDidReceiveMessage: listener,
  postMessage: async () => true,
});
const context = new Proxy({ extensionUri: vscode.Uri.file('/extension') } as object, {
  get: (own, name) => (name in own ? Reflect.get(own, name) : anything),
}) as PageContext;
const anything: unknown = new Proxy(() => {}, {
  get: (_, name) => (name === 'then' ? undefined : anything),
  apply: () => anything,
});

const opened: { viewColumn: number; preserveFocus: boolean }[] = [];
Object.assign(vscode.window, {
  registerWebviewPanelSerializer: listener,
  createWebviewPanel: (_type: string, _title: string, place: (typeof opened)[number]) => {
    opened.push(place);
    return { webview: webview(), visible: true, onDidDispose: listener, reveal() {}, dispose() {} };
  },
});

afterEach(() => {
  editor.reset();
  editor.settings = {};
  opened.length = 0;
});

test('the panel opens in the side bar, or beside the text where the setting says so; the text keeps the focus', () => {
  const focused: unknown[][] = [];
  vscode.commands.registerCommand('mtaInspector.attention.focus', (...args: unknown[]) => void focused.push(args));
  const panel = new AttentionEditor(context);
  panel.show();
  assert.deepEqual([focused, opened], [[[{ preserveFocus: true }]], []]);
  editor.settings = { 'mtaInspector.panel.location': 'beside' };
  panel.show();
  assert.deepEqual(opened, [{ viewColumn: -2, preserveFocus: true }]);
  panel.show(); // it is on screen
  assert.deepEqual([focused.length, opened.length], [1, 1]);
  panel.dispose();
});

test('a page has the colors of the setting, at once when it changes', () => {
  const page = webview();
  editor.settings = { 'mtaInspector.colorScale': 'purpleGreen' };
  const connection = fillWebview(page as never, context, 'T');
  assert.match(page.html, /data-color-map="purpleGreen"/);
  editor.settings = { 'mtaInspector.colorScale': 'none of them' };
  editor.events.changeConfiguration.fire({ affectsConfiguration: () => true });
  assert.match(page.html, /data-color-map="redBlue"/);
  const { html } = page;
  editor.events.changeConfiguration.fire({ affectsConfiguration: () => true });
  assert.equal(page.html, html, 'another setting leaves the page as it is');
  connection.dispose();
});
