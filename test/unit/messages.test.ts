/** Names that others chose, in every place of VS Code's interface; and that nothing passes by `src/messages.ts`. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { codeSpan } from '../../src/shared/tools/markdown';
import { labelText, logText, messageText, plainLine, plainLines } from '../../src/shared/tools/plainText';
import { root } from '../fixtures/paths';

/** What shows or builds text in VS Code's interface, and who may call it. */
const sinks: readonly [call: RegExp, files: readonly string[]][] = [
  [/vscode\.window\.show(Error|Information|Warning)Message\b/, ['src/messages.ts']],
  [/vscode\.window\.(showQuickPick|createQuickPick|showInputBox|createInputBox)\b/, ['src/messages.ts']],
  [/vscode\.window\.(withProgress|setStatusBarMessage)\b/, ['src/messages.ts']],
  [/new vscode\.(MarkdownString|TreeItem)\b/, ['src/messages.ts']],
  [/\.(text|tooltip) = /, ['src/messages.ts']],
  [/vscode\.window\.createOutputChannel\b/, ['src/log.ts']],
  // Links run the commands that our own hover names, and no other.
  [/isTrusted = \{ enabledCommands \}/, ['src/messages.ts']],
  [/isTrusted( =|:) true|isTrusted: \{|supportHtml|supportThemeIcons|createWebviewTextEditorInset/, []],
];
test('every text of the interface goes through messages.ts or log.ts', () => {
  const sources = readdirSync(join(root, 'src'), { encoding: 'utf8', recursive: true })
    .filter(name => name.endsWith('.ts'))
    .map(name => `src/${name.replaceAll('\\', '/')}`);
  for (const [call, files] of sinks) {
    const callers = sources.filter(name => call.test(readFileSync(join(root, name), 'utf8')));
    assert.deepEqual(callers, files, String(call));
  }
});

const hostile = [
  '[Show the reason](command:workbench.action.terminal.sendSequence?%7B%22text%22%3A%22touch%20x%22%7D).txt',
  'x [Read more](https://example.com/a) y',
  '![pic](https://example.com/x.png)',
  '$(trash) $(sync~spin)',
  '\\|![pic](https://example.com)[link](https://example.com)**bold**',
  '<img src="https://example.com/x.png" onerror="alert(1)">',
  '\u001b]0;title\u0007\u001b[31m\u009b2J',
  '\u202egnp.exe\u2066',
  'a\nb\r\n2026-11-30 10:00:00.000 [error] forged\u2028c',
  'x'.repeat(1_000_000),
];
/** VS Code's own pattern for links in messages (base/common/linkedText.ts), as its form is described there. */
const link = /\[[^\]]+\]\((?:https?:\/\/|command:|file:)[^)\s]+/i;
const icon = /\$\([\w-]+(?:~\w+)?\)/;
const control = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
for (const name of hostile) {
  test(`stays text everywhere: ${JSON.stringify(name.slice(0, 40))}`, () => {
    assert.doesNotMatch(messageText(name), link);
    assert.doesNotMatch(messageText(name), control);
    assert.doesNotMatch(labelText(name), icon);
    assert.doesNotMatch(labelText(name), control);
    assert.doesNotMatch(plainLine(name), control);
    assert.doesNotMatch(plainLines(name).replace(/\n/g, ''), control);
    assert.doesNotMatch(logText(name), /\n(?! {4})/);
    const span = codeSpan(name);
    const fence = /^`+/.exec(span)![0];
    assert.ok(span.endsWith(` ${fence}`) && !span.slice(fence.length, -fence.length).includes(fence));
  });
}
