// Drives a real VS Code workbench in a real browser, for the end-to-end tests.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { afterEach } from 'node:test';
import { errors, type Frame, type Locator, type Page } from 'playwright-core';
import { root } from '../../../scripts/setup.mjs';
import { descendants, type Process } from '../../../scripts/workbench.mjs';
import { openBrowser, openDesktop, type Session, type WorkbenchOptions } from './session';

/** How long the workbench may take for one thing before a test fails, in milliseconds: no limit of speed. */
const patience = 120_000;
const screenshots = join(root, 'test-results', 'screenshots');

/**
 * A place in the active document: a UTF-16 offset from 0 (line ends count as they are in the file), or a line and column
 * from 1 as the status bar shows them, where a tab is as wide as it looks.
 */
export type Place = { offset: number } | { line: number; column: number };

export interface Workbench {
  page: Page;
  /** Opens a file of the folder (or an absolute path) in an editor tab and puts the focus there. */
  openFile(name: string): Promise<void>;
  /** Runs a command from the palette by its full title, such as "MTA Inspector: Inspect Document". */
  runCommand(title: string): Promise<void>;
  /** Puts the cursor at a place in the active editor and shows it. */
  goTo(place: Place): Promise<void>;
  /** Selects text of the active editor; the end is exclusive. */
  select(from: Place, to: Place): Promise<void>;
  /** Clicks in the middle of the n-th occurrence of a text in the visible lines. */
  clickText(text: string, occurrence?: number): Promise<void>;
  /**
   * Moves the mouse over the n-th occurrence of a text among the editor's visible lines, from 1, or over a place in the
   * document, and returns what the hover says once nothing in it is loading.
   */
  hoverText(target: string | Place, occurrence?: number): Promise<string>;
  /** Waits for the webview whose document has this `<title>`, or that a predicate accepts, and returns its frame. */
  webviewFrame(match: string | ((frame: Frame) => boolean | Promise<boolean>)): Promise<Frame>;
  /** The status bar item with this text (part of it); wait for it with `waitFor()`. */
  statusItem(text: string | RegExp): Locator;
  /** The notification with this text (part of it). */
  notification(text: string | RegExp): Locator;
  /** Writes `test-results/screenshots/NAME.png` where `MTA_SCREENSHOTS` asks for pictures to look at. */
  screenshot(name: string): Promise<void>;
  /**
   * Changes the folder's settings, as if written in their file; `undefined` takes one out. Comes back once the extension,
   * where it has begun to work, knows its own.
   * @param where `machine`: those of the machine that the extension runs on, where settings of that scope count.
   */
  changeSettings(change: Record<string, unknown>, where?: 'folder' | 'machine'): Promise<void>;
  /** The folder of settings, state and logs. */
  userData: string;
  /** The same in another window of the workbench. */
  inPage(page: Page): Workbench;
  /** What the server has printed so far. */
  serverLog(): string;
  /** The server's log files whose path contains a text, such as "MTA Inspector" or "remoteexthost", joined. */
  logFiles(part: string): string;
  /** Errors of the browser's console, the webviews' content-security violations among them. */
  consoleErrors(): string[];
  /** Everything that the workbench runs on this machine, without the browser. */
  processes(): Process[];
  inferenceProcesses(): Process[];
  /** Ends the browser, the server and all that it started. Safe to call twice. */
  close(): Promise<void>;
}

/** Repeats an attempt until it gives something, and says what was missing if it never does. */
export async function eventually<T>(
  what: string,
  attempt: () => Promise<T | undefined>,
  timeout = patience,
): Promise<T> {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await attempt();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new errors.TimeoutError(`${what}: not within ${timeout / 1000} s`);
    await new Promise(wake => setTimeout(wake, 50));
  }
}

/** Whether a locator is visible (or hidden) within a short while. */
const becomes = (state: 'visible' | 'hidden', locator: Locator, timeout: number): Promise<boolean> =>
  locator.waitFor({ state, timeout }).then(
    () => true,
    () => false,
  );
export const appears = (locator: Locator, timeout: number) => becomes('visible', locator, timeout);
export const disappears = (locator: Locator, timeout: number) => becomes('hidden', locator, timeout);

/**
 * The centre of the n-th occurrence of a text in the visible editor lines, in page pixels.
 * Runs in the page: must not use anything outside itself.
 */
function centreOfText({
  text,
  occurrence,
}: {
  text: string;
  occurrence: number;
}): { x: number; y: number } | undefined {
  const lines = [...document.querySelectorAll('.editor-group-container.active .view-lines .view-line')];
  const top = (element: Element) => element.getBoundingClientRect().top;
  lines.sort((a, b) => top(a) - top(b));
  let remaining = occurrence;
  for (const line of lines) {
    // The editor draws spaces as no-break spaces, one span per run of equal colour.
    const content = (line.textContent ?? '').replaceAll('\u00a0', ' ');
    for (let at = content.indexOf(text); at >= 0; at = content.indexOf(text, at + 1)) {
      remaining -= 1;
      if (remaining > 0) continue;
      const range = document.createRange();
      const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
      let before = 0;
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const length = node.textContent?.length ?? 0;
        if (at >= before && at < before + length) range.setStart(node, at - before);
        if (at + text.length <= before + length) {
          range.setEnd(node, at + text.length - before);
          const box = range.getBoundingClientRect();
          return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        }
        before += length;
      }
    }
  }
  return undefined;
}

async function takePicture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(screenshots, `${name}.png`), animations: 'disabled' });
}

let latest: Workbench | undefined;

/** Prints what was on screen and in the logs when a test failed, since nobody can look at a machine in the cloud. */
async function tellFailure(context: unknown): Promise<void> {
  // Node's types give hooks no context; it is the test's.
  const { name, passed } = context as { name: string; passed: boolean };
  if (passed || !latest || latest.page.isClosed()) return;
  const { page } = latest;
  await takePicture(page, `failed-${name.replaceAll(/\W+/g, '-').slice(0, 60)}`);
  console.log(`On screen when "${name}" failed:`);
  for (const frame of page.frames()) {
    const texts = await frame
      .locator('body')
      .allInnerTexts()
      .catch(() => []);
    console.log(
      texts
        .join()
        .replaceAll(/\s*\n\s*/g, ' | ')
        .slice(0, 1500),
    );
  }
  for (const input of await page.locator('.quick-input-widget input.input:visible').all()) {
    console.log(`A quick input is open: ${await input.inputValue()}`);
  }
  for (const part of ['MTA Inspector', 'remoteexthost']) {
    console.log(`The end of the log "${part}":\n${latest.logFiles(part).split('\n').slice(-15).join('\n')}`);
  }
}
if (process.env['NODE_TEST_CONTEXT']) afterEach(tellFailure as () => Promise<void>);

/** Starts the workbench, installs the extension and opens a folder. Close it in an `after` hook. */
export async function startWorkbench(options: WorkbenchOptions): Promise<Workbench> {
  const open = process.env['MTA_DESKTOP'] ? openDesktop : openBrowser;
  const session = await open(options);
  try {
    const workbench = drive(session, options);
    await session.load();
    latest = workbench;
    return workbench;
  } catch (error) {
    await takePicture(session.page, 'start-failed').catch(() => {});
    await session.close();
    throw error;
  }
}

/** What can be done in a session's page. */
function drive(session: Session, options: WorkbenchOptions): Workbench {
  const { page, close } = session;
  page.setDefaultTimeout(patience);
  const consoleErrors: string[] = [];
  page.on('console', message => {
    if (message.type() === 'error') consoleErrors.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', error => consoleErrors.push(String(error)));

  const quickInput = page.locator('.quick-input-widget');
  const input = quickInput.locator('input.input');

  /** Opens the quick input with a key and fills it in. A key that came too early or went to a webview is pressed again. */
  const ask = async (key: string, text: string) => {
    await eventually(`the quick input on ${key}`, async () => {
      await page.keyboard.press(key);
      if (!(await appears(quickInput, 2000))) return undefined;
      // An editor that opens meanwhile takes the focus, and the input closes.
      return input.fill(text, { timeout: 2000 }).then(
        () => true,
        () => undefined,
      );
    });
  };

  const runCommand = async (title: string) => {
    const row = quickInput.locator('.monaco-list-row').filter({ has: page.getByText(title, { exact: true }) });
    // A command of an extension is listed only when the extension host has announced it.
    await eventually(`the command "${title}" in the palette`, async () => {
      await ask('F1', `>${title}`);
      const clicked = await row
        .first()
        .click({ timeout: 3000 })
        .then(
          () => true,
          () => false,
        );
      if (clicked) return true;
      await page.keyboard.press('Escape');
      return undefined;
    });
  };

  const goTo = async (place: Place) => {
    // Enter does nothing while the editor is still loading its file.
    await eventually(`the cursor at ${JSON.stringify(place)}`, async () => {
      await ask('Control+G', 'offset' in place ? `::${place.offset + 1}` : `:${place.line}:${place.column}`);
      await page.keyboard.press('Enter');
      if (await disappears(quickInput, 1000)) return true;
      await page.keyboard.press('Escape');
      return undefined;
    });
  };

  const pointOf = async (target: string | Place, occurrence: number) => {
    if (typeof target === 'string') {
      return eventually(`"${target}" (occurrence ${occurrence}) in the visible lines`, () =>
        page.evaluate(centreOfText, { text: target, occurrence }),
      );
    }
    await goTo(target);
    await page.evaluate(() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    const cursor = await page.locator('.editor-group-container.active .cursors-layer .cursor').first().boundingBox();
    if (!cursor) throw new Error(`No cursor is drawn at ${JSON.stringify(target)}.`);
    return { x: cursor.x + 2, y: cursor.y + cursor.height / 2 };
  };

  const workbench: Workbench = {
    page,
    close,
    runCommand,
    goTo,

    async openFile(name) {
      const path = resolve(options.folder, name);
      await ask('Control+P', path);
      const row = quickInput.locator('.monaco-list-row').filter({ hasText: path.split('/').at(-1) ?? path });
      // Not Enter: it takes the list's first row, which is another file until the list follows the text.
      await row.first().click({ timeout: patience });
      await page
        .locator(`.editor-group-container.active .tab.active[data-resource-name="${path.split('/').at(-1)}"]`)
        .waitFor({ timeout: patience });
      // An editor takes the focus when it is ready, from the palette too. A binary file has none.
      await appears(page.locator('.editor-group-container.active .monaco-editor.focused').first(), 3000);
    },

    async select(from, to) {
      await goTo(from);
      await runCommand('Set Selection Anchor');
      await goTo(to);
      await runCommand('Select from Anchor to Cursor');
    },

    async hoverText(target, occurrence = 1) {
      const hover = page.locator('.monaco-hover:not(.hidden) .hover-contents');
      return eventually(`a hover on ${JSON.stringify(target)}`, async () => {
        const { x, y } = await pointOf(target, occurrence);
        // Away first, until no older hover is left that could be taken for the answer.
        await page.mouse.move(1, 1);
        await hover.first().waitFor({ state: 'hidden' });
        await page.mouse.move(x, y, { steps: 3 });
        if (!(await appears(hover.first(), 5000))) return undefined;
        return eventually(`the hover on ${JSON.stringify(target)} to load`, async () => {
          const text = (await hover.allInnerTexts()).join('\n').trim();
          return text === '' || /^Loading\.\.\.$/m.test(text) ? undefined : text;
        });
      });
    },

    async clickText(text, occurrence = 1) {
      const { x, y } = await pointOf(text, occurrence);
      await page.mouse.click(x, y);
    },

    async webviewFrame(match) {
      const accepts =
        typeof match === 'string'
          ? async (frame: Frame) => (await frame.title()) === match
          : async (f: Frame) => match(f);
      const what = typeof match === 'string' ? `the webview "${match}"` : 'a webview that the predicate accepts';
      return eventually(what, async () => {
        for (const frame of page.frames().filter(frame => frame.url().includes('/fake.html'))) {
          // The document is written in a pending frame, which becomes the active one. A frame may go while it is asked.
          const isActive = async () => (await (await frame.frameElement()).getAttribute('id')) === 'active-frame';
          if (
            await isActive()
              .then(active => active && accepts(frame))
              .catch(() => false)
          )
            return frame;
        }
        return undefined;
      });
    },

    statusItem: text => page.locator('.statusbar-item').filter({ hasText: text }),
    notification: text => page.locator('.notification-list-item').filter({ hasText: text }),

    async screenshot(name) {
      // Without a picture, too, what is on its way to the screen gets there.
      await page.evaluate(() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn))));
      if (process.env['MTA_SCREENSHOTS']) await takePicture(page, name);
    },

    async changeSettings(change, where = 'folder') {
      const machine = join(session.userData, process.env['MTA_DESKTOP'] ? 'User' : 'Machine');
      const path = join(where === 'folder' ? join(options.folder, '.vscode') : machine, 'settings.json');
      mkdirSync(dirname(path), { recursive: true });
      const old = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
      const isOurs = Object.keys(change).some(key => key.startsWith('mtaInspector.') && old[key] !== change[key]);
      const log = () => workbench.logFiles('MTA Inspector');
      const nSeen = () => log().split('settings changed').length;
      const isAtWork = log() !== '';
      const before = nSeen();
      writeFileSync(path, JSON.stringify({ ...old, ...change }, null, 2));
      if (isOurs && isAtWork)
        await eventually('the settings in the extension', async () => nSeen() > before || undefined);
    },

    userData: session.userData,
    inPage: other => drive({ ...session, page: other }, options),
    serverLog: session.log,
    logFiles(part) {
      const folder = join(session.userData, 'logs');
      return readdirSync(folder, { encoding: 'utf8', recursive: true })
        .filter(name => name.endsWith('.log') && name.includes(part))
        .map(name => readFileSync(join(folder, name), 'utf8'))
        .join('\n');
    },
    consoleErrors: () => consoleErrors,
    processes: () => (session.pid === undefined ? [] : descendants(session.pid)),
    inferenceProcesses: () => workbench.processes().filter(({ command }) => command.includes('inference.cjs')),
  };
  return workbench;
}
