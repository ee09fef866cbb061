/**
 * The only file that hands texts to VS Code's own interface. Names of files, models, tensors, servers and tokens come from
 * others; each place here escapes what it would read as markup, so that they stay text. `test/unit/messages.test.ts` holds it.
 */

import * as vscode from 'vscode';
import { labelText, messageText, plainLine, plainLines } from './shared/tools/plainText';

export function showError<T extends vscode.MessageItem>(message: string, ...items: T[]): Thenable<T | undefined> {
  return vscode.window.showErrorMessage(messageText(message), ...items);
}

export function showInformation<T extends string>(message: string, ...items: T[]): Thenable<T | undefined> {
  return vscode.window.showInformationMessage(messageText(message), ...items);
}

export function showStatus(text: string, durationMs: number): void {
  vscode.window.setStatusBarMessage(labelText(text), durationMs);
}

/** Icons go into `iconPath`: none is read from a text. */
export async function pick<T extends vscode.QuickPickItem>(
  items: readonly T[],
  options: vscode.QuickPickOptions,
): Promise<T | undefined> {
  return (await vscode.window.showQuickPick(items.map(withPlainTexts), options))?.original;
}

function withPlainTexts<T extends vscode.QuickPickItem>(item: T) {
  return {
    ...item,
    label: labelText(item.label),
    ...(item.description === undefined ? {} : { description: labelText(item.description) }),
    ...(item.detail === undefined ? {} : { detail: labelText(item.detail) }),
    original: item,
  };
}

/**
 * A list that grows while it is open: more is found as it is read.
 * @param more ends when all is found; it is not read on once something was picked.
 */
export async function pickGrowing<T extends vscode.QuickPickItem>(
  items: readonly T[],
  more: AsyncIterable<T>,
  placeholder: string,
): Promise<T | undefined> {
  const list = vscode.window.createQuickPick<vscode.QuickPickItem & { readonly original: T }>();
  let isOpen = true;
  const picked = new Promise<T | undefined>(resolve => {
    list.onDidAccept(() => resolve(list.selectedItems[0]?.original));
    list.onDidHide(() => resolve(undefined));
  });
  const done = picked.finally(() => {
    isOpen = false;
    list.dispose();
  });
  list.placeholder = placeholder;
  list.matchOnDescription = true;
  list.keepScrollPosition = true;
  list.items = items.map(withPlainTexts);
  list.busy = true;
  list.show();
  const grow = async () => {
    for await (const item of more) {
      if (!isOpen) return;
      list.items = [...list.items, withPlainTexts(item)];
    }
    if (isOpen) list.busy = false;
  };
  await Promise.race([done, grow().then(() => done)]);
  return done;
}

/**
 * A list above which a text can be typed instead: an entry of its own, which comes first then.
 * @param typedDescription what the entry of a typed text says.
 * @returns the item or the text.
 */
export async function pickOrType<T extends vscode.QuickPickItem>(
  items: readonly T[],
  typedDescription: (text: string) => string,
  { title, placeholder }: { readonly title: string; readonly placeholder: string },
): Promise<T | string | undefined> {
  const list = vscode.window.createQuickPick<vscode.QuickPickItem & { readonly original?: T }>();
  const listed = items.map(withPlainTexts);
  Object.assign(list, { title, placeholder, matchOnDescription: true, ignoreFocusOut: true, items: listed });
  list.onDidChangeValue(value => {
    const text = value.trim();
    const typed = { label: labelText(text), description: labelText(typedDescription(text)), alwaysShow: true };
    list.items = text ? [typed, ...listed] : listed;
  });
  const picked = new Promise<T | string | undefined>(resolve => {
    list.onDidAccept(() => resolve(list.selectedItems[0]?.original ?? list.value.trim()));
    list.onDidHide(() => resolve(undefined));
  });
  list.show();
  return picked.finally(() => list.dispose());
}

/** Asks in a dialog. @returns whether the button was pressed. */
export async function confirm(message: string, detail: string, button: string): Promise<boolean> {
  const options = { modal: true, detail: plainLines(detail) };
  return (await vscode.window.showInformationMessage(messageText(message), options, button)) === button;
}

export function askText(options: vscode.InputBoxOptions): Thenable<string | undefined> {
  const { prompt, validateInput } = options;
  return vscode.window.showInputBox({
    ...options,
    ...(prompt === undefined ? {} : { prompt: messageText(prompt) }),
    ...(validateInput
      ? {
          validateInput: async text => {
            const problem = await validateInput(text);
            return typeof problem === 'string' ? messageText(problem) : problem;
          },
        }
      : {}),
  });
}

type Report = vscode.Progress<{ message?: string; increment?: number }>;

export function withProgress<R>(
  options: vscode.ProgressOptions & { readonly title: string },
  run: (report: Report, cancellation: vscode.CancellationToken) => Thenable<R>,
): Thenable<R> {
  return vscode.window.withProgress({ ...options, title: messageText(options.title) }, (progress, cancellation) =>
    run(
      {
        report: ({ message, ...rest }) =>
          progress.report({ ...rest, ...(message === undefined ? {} : { message: messageText(message) }) }),
      },
      cancellation,
    ),
  );
}

/** @param icon of VS Code's own, by name. */
export function setStatusItem(item: vscode.StatusBarItem, icon: string, text: string, tooltip: string): void {
  item.text = `$(${icon}) ${labelText(text)}`;
  item.tooltip = plainLines(tooltip);
}

export function treeItem(label: string, description: string, tooltip: string): vscode.TreeItem {
  const item = new vscode.TreeItem(plainLine(label));
  item.description = plainLine(description);
  item.tooltip = plainLine(tooltip);
  item.accessibilityInformation = { label: `${plainLine(label)}, ${plainLine(description)}` };
  return item;
}

/**
 * Markdown without HTML and icons. What comes from others goes into `codeSpan` (shared/tools/markdown.ts).
 * @param enabledCommands those that its links may run; by default none.
 */
export function markdown(lines: readonly string[], enabledCommands: readonly string[] = []): vscode.MarkdownString {
  const text = new vscode.MarkdownString(lines.join('\n'));
  if (enabledCommands.length > 0) text.isTrusted = { enabledCommands };
  return text;
}

/** A link that runs a command. @param label our own words: names and tokens stand beside a link, never in it. */
export function commandLink(label: string, command: string, args: readonly number[]): string {
  return `[${label}](command:${command}?${encodeURIComponent(JSON.stringify(args))})`;
}
