/** Names, models, links and assistants that try to get more than they may, in a real workbench. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame, Locator } from 'playwright-core';
import { root } from '../../scripts/setup.mjs';
import { tinyModelDirectory } from '../fixtures/paths';
import { acceptPath, inspectFile, showView, takeNotification, untilDone, untilStill, viewNames } from './harness/panel';
import { eventually, startWorkbench, type Workbench } from './harness/workbench';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'mta-hostile-')));
const folder = join(base, 'workspace');
const command = 'command:workbench.action.files.newUntitledFile';
const empty = `[Show the reason](${command}) empty.txt`;
const named = `[Open](${command}) ![x](named) **bold**.txt`;
const modelName = `\u001b]0;owned\u0007 [Read more](${command}) $(sync~spin) <b>tiny</b> \u202e`;
/** A backslash before a bar ended the cell of a Markdown table. */
const token = '\\|![pic](https://pictures.invalid/x.png)[link](https://links.invalid)**bold**`<u>u</u>';
/** The lists of models name a folder by its own name. */
const modelFolder = join(base, `[models](${command}) $(sync~spin) <b>x`);
const secret = 'TOPSECRET-42';
const secretText = `user: root\npassword: ${secret}\nuser: root again\npassword: see line 2\n`;
const questions = join(base, 'questions.json');
const answers = join(base, 'answers.json');
const control = /[\p{Cc}\p{Cf}]/u;
let workbench: Workbench;
let frame: Frame;
const requests: string[] = [];

before(async () => {
  for (const path of [folder, join(folder, 'x')]) mkdirSync(path, { recursive: true });
  writeFileSync(join(folder, 'plain.txt'), 'The cat sat on the mat.\n');
  writeFileSync(join(folder, empty), ' \n');
  writeFileSync(join(folder, named), `a ${token} b\n`);
  writeFileSync(join(base, 'tab.txt'), secretText);
  writeFileSync(join(base, 'linked.txt'), secretText);
  symlinkSync(join(base, 'linked.txt'), join(folder, 'linked.txt'));
  writeModel();
  workbench = await startWorkbench({ folder, more: [packAsker()] });
  workbench.page.on('request', request => requests.push(request.url()));
});

after(async () => {
  await workbench?.close();
  rmSync(base, { recursive: true, force: true });
});

/** The tiny model under another name, whose last merge is replaced by the hostile token. */
function writeModel(): void {
  cpSync(tinyModelDirectory, modelFolder, { recursive: true });
  const path = (file: string) => join(modelFolder, file);
  const read = (file: string) => JSON.parse(readFileSync(path(file), 'utf8'));
  writeFileSync(path('config.json'), JSON.stringify({ ...read('config.json'), name: modelName }));
  const tokenizer = read('tokenizer.json');
  const { vocab, merges } = tokenizer.model;
  const [last, id] = Object.entries<number>(vocab).reduce((a, b) => (b[1] > a[1] ? b : a));
  delete vocab[last];
  merges.pop();
  tokenizer.added_tokens.push({ ...tokenizer.added_tokens[0], id, content: token, special: false });
  writeFileSync(path('tokenizer.json'), JSON.stringify(tokenizer));
  const template = '{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}[answer] ';
  writeFileSync(path('chat_template.jinja'), template);
}

/** The hostile command would open one. */
const untitledTabs = () => workbench.page.locator('.tab[data-resource-name^="Untitled-"]');

/** What of a place in the page is more than text. */
function markupIn(place: Locator): Promise<string[]> {
  return place
    .locator('a[href], a[data-href], a.monaco-link, img, iframe, strong, em, u, b, table, .codicon')
    .evaluateAll(all => all.map(element => element.outerHTML.slice(0, 200)));
}

test('a notification shows the name of a file as text', async () => {
  await inspectFile(workbench, empty);
  const message = workbench.notification('Show the reason').locator('.notification-list-item-message').first();
  await message.waitFor();
  assert.deepEqual(await markupIn(message), []);
  await message.click();
  await workbench.screenshot('hostile-notification');
  await takeNotification(workbench, /Show the reason/);
  assert.equal(await untitledTabs().count(), 0);
});

test('adding and picking a model show its name and its folder as text', async () => {
  await workbench.openFile(named);
  await workbench.runCommand('MTA Inspector: Add Model…');
  await acceptPath(workbench, modelFolder, 'Add Model');
  const message = workbench.notification('Read more').locator('.notification-list-item-message').first();
  await message.waitFor();
  assert.deepEqual(await markupIn(message), []);
  assert.doesNotMatch(await takeNotification(workbench, /Read more/), control);
  frame = await untilDone(workbench);
  await workbench.runCommand('MTA Inspector: Select Model…');
  const row = workbench.page.locator('.quick-input-list .monaco-list-row', { hasText: '[models]' });
  await row.waitFor();
  const label = row.locator('.monaco-icon-label').first();
  // The model in use has our own mark.
  const mark = await markupIn(label);
  assert.ok(
    mark.every(html => /^<div class="quick-input-list-icon codicon codicon-check"><\/div>$/.test(html)),
    mark.join(),
  );
  assert.match((await label.textContent()) ?? '', /sync~spin\) <b>x/);
  assert.doesNotMatch((await label.textContent()) ?? '', control);
  await workbench.page.keyboard.press('Escape');
});

test('the tree of models shows a model’s name as text', async () => {
  const row = workbench.page.locator('.pane .monaco-list-row', { hasText: '[models]' });
  if (!(await row.isVisible())) await workbench.page.locator('.pane-header', { hasText: 'Models' }).click();
  await row.waitFor();
  assert.deepEqual(await markupIn(row.locator('.monaco-icon-label-container')), []);
  assert.doesNotMatch((await row.textContent()) ?? '', control);
});

test('the status bar shows names of documents and models as text', async () => {
  const item = workbench.statusItem('MTA:').first();
  assert.doesNotMatch((await item.getAttribute('aria-label')) ?? '', control);
  await item.hover();
  const hover = workbench.page.locator('.monaco-hover:not(.hidden)', { hasText: 'Read more' });
  await hover.waitFor();
  assert.deepEqual(await markupIn(hover), []);
  const text = (await hover.textContent()) ?? '';
  assert.ok(text.includes('$(sync~spin) <b>tiny</b>') && text.includes('**bold**.txt'), text);
  assert.doesNotMatch(text.replaceAll('\n', ''), control);
});

test('the hover shows a token as text', async () => {
  const text = await workbench.hoverText({ offset: 2 + token.length + 1 });
  assert.ok(text.includes(token), text);
  const hover = workbench.page.locator('.monaco-hover:not(.hidden) .hover-contents');
  // Our own links, with numbers for arguments, and no others.
  const own =
    /^<a href="" title="" draggable="false" data-href="command:mtaInspector\.(showToken|explainToken)\?%5B\d+%2C\d+%5D">/;
  const links = await markupIn(hover);
  assert.ok(links.length > 0 && links.every(html => own.test(html)), links.join());
  await workbench.screenshot('hostile-hover');
});

/** Texts and descriptions that hold characters which turn directions or move cursors. Runs in the page. */
function invisibleTexts(): string[] {
  const odd = /[^\P{Cc}\n\t\r]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
  const texts = [...document.querySelectorAll<HTMLElement>('body *')].flatMap(element => [
    ...[...element.childNodes].flatMap(node => (node instanceof Text ? [node.data] : [])),
    ...['title', 'aria-label', 'aria-description', 'alt'].map(name => element.getAttribute(name) ?? ''),
  ]);
  return texts.filter(text => odd.test(text)).map(text => text.slice(0, 200));
}

test('the panel shows names and tokens as text in every view, and nothing was loaded', async () => {
  await frame.getByText('**bold**.txt').first().waitFor();
  for (const view of [...viewNames, 'Export'] as const) {
    await showView(frame, view);
    await untilStill(frame);
    const found = await frame
      .locator('a[href], img[src^="http"], b, u, iframe, form')
      .evaluateAll(all => all.map(element => element.outerHTML.slice(0, 200)));
    assert.deepEqual(found, [], view);
    assert.deepEqual(await frame.evaluate(invisibleTexts), [], view);
  }
  assert.equal(workbench.page.context().pages().length, 1);
  assert.deepEqual(
    requests.filter(url => url.includes('.invalid')),
    [],
  );
  assert.equal(await untitledTabs().count(), 0);
});

/** The text of the active editor, once it holds a part; Monaco shows blanks as no-break spaces. */
async function editorText(part: string): Promise<string> {
  const read = (expected: string) => {
    const text = document.querySelector('.editor-group-container.active .view-lines')?.textContent ?? '';
    const plain = text.replaceAll('\u00a0', ' ');
    return plain.includes(expected) ? plain : null;
  };
  return (await (await workbench.page.waitForFunction(read, part)).jsonValue())!;
}

/** Answers a prompt of the quick input, once it is there. */
async function answer(prompt: string, text: string): Promise<void> {
  await workbench.page.locator('.quick-input-message', { hasText: prompt }).waitFor();
  const input = workbench.page.locator('.quick-input-widget input.input');
  await input.fill(text);
  await input.press('Enter');
}

const listed = (text: string) => workbench.page.locator('.quick-input-list .monaco-list-row', { hasText: text });

/** Continues the text before the cursor, as far as the question of what the text is. */
async function continueText(how: string, source: string): Promise<void> {
  await workbench.openFile(named);
  await workbench.goTo({ offset: 2 + token.length });
  await workbench.runCommand('MTA Inspector: Continue the Text…');
  await answer('How many tokens?', '2');
  await listed(how).click();
  await listed(source).click();
}

/** The untitled document's text, once it holds a part; the document is closed and the file as it was. */
async function written(part: string): Promise<string> {
  await untitledTabs().first().waitFor();
  const text = await editorText(part);
  assert.equal(readFileSync(join(folder, named), 'utf8'), `a ${token} b\n`);
  await workbench.runCommand('View: Revert and Close Editor');
  await untitledTabs().first().waitFor({ state: 'detached' });
  return text;
}

test('a continued text is a document of its own; its tokens run nothing', async () => {
  await workbench.openFile(named);
  await workbench.goTo({ offset: 2 + token.length });
  await workbench.runCommand('MTA Inspector: Continue the Text…');
  await workbench.page.locator('.quick-input-message', { hasText: 'How many tokens?' }).waitFor();
  await workbench.page.locator('.quick-input-widget input.input').fill('[2](command:a.b)');
  const problem = workbench.page.locator('.quick-input-message', { hasText: 'not a whole number' });
  await problem.waitFor();
  assert.equal(await problem.locator('a').count(), 0);
  await workbench.page.keyboard.press('Escape');
  await problem.waitFor({ state: 'hidden' });
  await continueText('The likeliest token each time', 'The text as it is');
  await written('**bold**');
});

test('alternatives are a tree of tokens, shown as text; a branch opens as a document of its own', async () => {
  await continueText('Alternatives at this place', 'The text as it is');
  const alternatives = listed('%');
  await alternatives.first().waitFor();
  await alternatives.first().click();
  await listed('Open this branch').waitFor();
  // Those after it, a step further in.
  await listed('│').first().waitFor();
  assert.deepEqual(await markupIn(workbench.page.locator('.quick-input-list .monaco-list-row .label-name')), []);
  await listed('│').first().click();
  await listed('together').first().waitFor();
  await listed('Open this branch').click();
  const text = await written('**bold**');
  assert.ok(text.startsWith(`a ${token}`) && text.length > 2 + token.length, text);
});

test('the text as a message is put into the model’s chat template, and answered', async () => {
  await continueText('The likeliest token each time', 'The text as a message');
  await answer('System message before the text', 'Be [brief](command:a.b).');
  const text = await written('[answer]');
  assert.ok(text.startsWith(`[system] Be [brief](command:a.b). [user] a ${token} [answer]`), text);
});

const refusedLinks = ['linked.txt', '..%2ftab.txt', '%2e%2e/tab.txt', 'x/..%2f..%2ftab.txt', join(base, 'tab.txt')];
for (const file of refusedLinks) {
  test(`a link to ${file.replace(base, 'BASE')} opens nothing`, async () => {
    const tabs = () => workbench.page.locator('.tab').allTextContents();
    const before = await tabs();
    await workbench.runCommand('MTA Inspector: Open View Link…');
    const input = workbench.page.getByPlaceholder(/view\?path=/);
    await input.waitFor();
    const scheme = /^[\w-]+/.exec((await input.getAttribute('placeholder')) ?? '')![0];
    await input.fill(`${scheme}://mta-inspector.mta-inspector/view?file=${file}&stage=`);
    const problem = workbench.page.locator('.quick-input-message');
    await problem.getByText(/stage/).waitFor();
    await input.fill(`${scheme}://mta-inspector.mta-inspector/view?file=${file}`);
    await problem.getByText(/stage/).waitFor({ state: 'hidden' });
    await workbench.page.keyboard.press('Enter');
    if (/inside the workspace/.test((await problem.textContent()) ?? '')) await workbench.page.keyboard.press('Escape');
    else await takeNotification(workbench, /Cannot open the link/);
    assert.deepEqual(await tabs(), before);
  });
}

test('a link cannot put a link into the message that refuses it', async () => {
  await workbench.runCommand('MTA Inspector: Open View Link…');
  const input = workbench.page.getByPlaceholder(/view\?path=/);
  await input.waitFor();
  const scheme = /^[\w-]+/.exec((await input.getAttribute('placeholder')) ?? '')![0];
  const stage = encodeURIComponent('[Trust](command:a.b)');
  await input.fill(`${scheme}://mta-inspector.mta-inspector/view?file=a&stage=${stage}`);
  const problem = workbench.page.locator('.quick-input-message', { hasText: 'Trust' });
  await problem.waitFor();
  assert.equal(await problem.locator('a').count(), 0);
  await workbench.page.keyboard.press('Escape');
});

// The assistants' tool, called by an extension as a misled assistant would call it.

/** An extension that asks about each file of a list, of which VS Code may have opened some without a tab. */
function packAsker(): string {
  const asker = join(base, 'asker');
  mkdirSync(asker);
  const title = 'Asker: Ask';
  const manifest = {
    ...{ name: 'asker', publisher: 'x', version: '1.0.0', engines: { vscode: '^1.100.0' }, main: './main.js' },
    ...{ activationEvents: ['onStartupFinished'], contributes: { commands: [{ command: 'asker.ask', title }] } },
  };
  writeFileSync(join(asker, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(asker, 'README.md'), '# Asker\n');
  writeFileSync(
    join(asker, 'main.js'),
    `const vscode = require('vscode');
const fs = require('fs');
async function ask() {
  const { files, opened } = JSON.parse(fs.readFileSync(${JSON.stringify(questions)}, 'utf8'));
  for (const file of opened) await vscode.workspace.openTextDocument(file);
  const answers = [];
  for (const file of files) {
    const input = file === null ? { line: 4 } : { file, line: 4 };
    try {
      const { content } = await vscode.lm.invokeTool('mtaInspector_attendedContext', { input, toolInvocationToken: undefined });
      answers.push(content.map(part => part.value).join(''));
    } catch (error) {
      answers.push('refused: ' + error.message);
    }
  }
  fs.writeFileSync(${JSON.stringify(answers)}, JSON.stringify(answers));
  void vscode.window.showInformationMessage('Asker has asked.');
}
exports.activate = context => context.subscriptions.push(vscode.commands.registerCommand('asker.ask', ask));
`,
  );
  const vsix = join(base, 'asker.vsix');
  const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  const options = ['--allow-missing-repository', '--no-dependencies', '--skip-license', '-o', vsix];
  execFileSync(process.execPath, [vsce, 'package', ...options], { cwd: asker });
  return vsix;
}

/** @param files null for the active editor's. */
async function ask(
  files: readonly (string | null)[],
  { opened = [], during = async () => {} }: { opened?: readonly string[]; during?: () => Promise<void> } = {},
): Promise<string[]> {
  writeFileSync(questions, JSON.stringify({ files, opened }));
  await workbench.runCommand('Asker: Ask');
  await during();
  await takeNotification(workbench, /Asker has asked/);
  return JSON.parse(readFileSync(answers, 'utf8'));
}

/** The question that VS Code asks the user, answered with a button. */
async function answerDialog(button: string): Promise<void> {
  const dialog = workbench.page.locator('.monaco-dialog-box');
  await dialog.getByText('Let the assistant read from outside the workspace?').waitFor();
  assert.ok(((await dialog.textContent()) ?? '').includes(join(base, 'tab.txt')));
  await workbench.screenshot('hostile-dialog');
  await dialog.getByRole('button', { name: button, exact: true }).click();
}

test('the tool reads inside the workspace without asking', async () => {
  writeFileSync(join(folder, 'four.txt'), 'one\ntwo\none\ntwo\n');
  for (const answer of await ask(['four.txt', 'x/../four.txt', join(folder, 'four.txt')])) {
    assert.match(answer, /^Model: .*\nText: four\.txt/);
  }
});

test('the tool reads nothing outside the workspace that is not open in a tab, whatever opened it before', async () => {
  const ways: ((name: string) => string)[] = [
    ...[(name: string) => join(base, name), (name: string) => `file://${join(base, name)}`],
    ...[(name: string) => `../${name}`, (name: string) => `x/../../${name}`],
    ...[(name: string) => `${folder}/../${name}`, (name: string) => `${folder}/./../${name}`],
    ...[(name: string) => `file://${folder}/../${name}`, (name: string) => `file://${folder}/%2e%2e/${name}`],
    ...[(name: string) => `file://${folder}/x/..%2f..%2f${name}`, (name: string) => `%2e%2e/${name}`],
    ...[
      (name: string) => `vscode-remote://localhost${join(base, name)}`,
      (name: string) => `file://localhost${join(base, name)}`,
    ],
    ...[(name: string) => `file://${folder}/x/../../${name}#${folder}`, (name: string) => `FILE://${join(base, name)}`],
    ...[() => 'linked.txt', () => join(folder, 'linked.txt'), () => 'vscode-userdata:/User/settings.json'],
  ];
  // A file each: what one call opened must not count for the next.
  const files = ways.map((way, i) => {
    writeFileSync(join(base, `secret${i}.txt`), secretText);
    return way(`secret${i}.txt`);
  });
  const opened = [join(base, 'opened.txt')];
  writeFileSync(opened[0]!, secretText);
  const asked = [...files, ...opened, ...files];
  for (const [i, answer] of (await ask(asked, { opened })).entries()) {
    assert.ok(!answer.includes(secret), `${asked[i]}: ${answer}`);
    assert.match(answer, /^refused: .*Cannot read /, asked[i]);
  }
});

test('of a file outside the workspace that is open in a tab, the user decides', async () => {
  await workbench.openFile(join(base, 'tab.txt'));
  const file = join(base, 'tab.txt');
  for (const question of [file, null]) {
    const [refused] = await ask([question], { during: () => answerDialog('Cancel') });
    assert.match(refused!, /^refused: /);
    assert.ok(!refused!.includes(secret));
    const [allowed] = await ask([question], { during: () => answerDialog('Yes') });
    assert.ok(allowed!.includes(secret), allowed);
  }
  await workbench.runCommand('View: Close All Editors');
  const [closed] = await ask([file]);
  assert.match(closed!, /^refused: .*Cannot read /, 'an answer is for one time, and for a tab that is open');
});

test('Report Issue… opens a report with what is known here, without any name or text', async () => {
  await workbench.openFile(named);
  await untilDone(workbench);
  await workbench.runCommand('MTA Inspector: Report Issue…');
  const editor = workbench.page.locator('.editor-group-container.active .view-lines').first();
  const report = await eventually('the report in an editor', async () => {
    const text = ((await editor.textContent()) ?? '').replaceAll('\u00a0', ' ');
    return text.includes('About this installation') && text.includes('Settings: ') ? text : undefined;
  });
  for (const part of [
    /MTA Inspector \d/,
    /VS Code \d/,
    /Model: \d+ layers/,
    /backend: cpu/,
    /State: done, \d+ tokens/,
  ]) {
    assert.match(report, part);
  }
  for (const part of ['Read more', 'bold', 'invalid', 'command:', 'owned', base, secret]) {
    assert.ok(!report.includes(part), `${part} in ${report}`);
  }
  assert.doesNotMatch(report, control);
});
