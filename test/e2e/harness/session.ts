// Where a workbench's page comes from: code-server in Chromium, or a desktop VS Code.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { resolveCliArgsFromVSCodeExecutablePath } from '@vscode/test-electron';
import { _electron, type Browser, chromium, type Page } from 'playwright-core';
import { vsixPath } from '../../../scripts/package.mjs';
import { findChromium } from '../../../scripts/setup.mjs';
import { startServer, workbenchAddress, writeUser } from '../../../scripts/workbench.mjs';

export interface WorkbenchOptions {
  /** The folder to open. Tests that change files give a copy of their fixtures. */
  folder: string;
  /** The extension to install, null for none; by default the one that `npm test` has packaged for this machine. */
  vsix?: string | null;
  /** More packaged extensions to install. */
  more?: string[];
  /**
   * Which of VS Code's own extensions may run code, by the names of their folders, in the browser's workbench; the others
   * are left out, but for themes and languages. Default: none.
   */
  builtIn?: readonly string[] | 'all';
  /** False opens the folder in restricted mode. Default: true. */
  trust?: boolean;
  /** User settings, over those of `quietSettings`. */
  settings?: Record<string, unknown>;
  /** As in the user's `keybindings.json`. */
  keybindings?: readonly object[];
  /** Where the workbench keeps its data, in a temporary folder. */
  dataFolder?: string;
  /** More variables for the extension host and what it starts, not for the browser. */
  environment?: Readonly<Record<string, string>>;
  /** More flags for Chromium. */
  browserFlags?: string[];
}

export interface Session {
  page: Page;
  /** Shows the workbench; listeners of the page are set before. */
  load(): Promise<void>;
  /** Holds the logs. */
  userData: string;
  log(): string;
  /** The process that started all others. */
  pid: number | undefined;
  close(): Promise<void>;
}

/** tsx wraps named functions in a call to this helper of its own, which functions given to the page lack there. */
const nameHelper = 'globalThis.__name ??= value => value';
const loadMs = 60_000;

/** What is drawn again and again for nobody: half of a browser's processor time, since no GPU draws it. */
const stillSettings = {
  'editor.cursorBlinking': 'solid',
  'editor.minimap.enabled': false,
  'editor.occurrencesHighlight': 'off',
  // Hovers of lists would come up under a resting mouse, over the row that is clicked next.
  'workbench.hover.delay': 2000,
  'workbench.reduceMotion': 'on',
  // Else every process's open files are listed every two seconds to find ports.
  'remote.autoForwardPorts': false,
  // Of the language only its syntax: nothing here asks for types.
  'typescript.tsserver.useSyntaxServer': 'always',
  'typescript.validate.enable': false,
};

/** Runs in the page. The workbench turns its spinners whatever its settings say; webviews keep theirs. */
function stopSpinners(): void {
  if (window !== window.top) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('.codicon-modifier-spin, .progress-bit { animation: none !important; }');
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

export async function openBrowser(options: WorkbenchOptions): Promise<Session> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('No Chromium was found. Install it or set CHROMIUM_PATH.');
  const {
    vsix = vsixPath(),
    more = [],
    builtIn = [],
    settings = {},
    keybindings = [],
    trust = true,
    browserFlags = [],
    dataFolder,
    environment = {},
  } = options;
  const place = { ...(dataFolder && { dataFolder }), ...(builtIn !== 'all' && { builtIn }) };
  const settled = { ...stillSettings, ...settings };
  const server = await startServer({ vsix, more, settings: settled, keybindings, trust, environment, ...place });
  let browser: Browser | undefined;
  const close = async () => {
    await browser?.close();
    server.stop();
  };
  try {
    browser = await chromium.launch({
      executablePath,
      args: [
        ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
        ...['--disable-component-update', '--disable-sync', '--enable-unsafe-swiftshader', ...browserFlags],
      ],
    });
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await page.addInitScript(nameHelper);
    await page.addInitScript(stopSpinners);
    const load = async () => {
      await page.goto(workbenchAddress(server, resolve(options.folder)));
      await untilShown(page);
    };
    const { userData, log } = server;
    return { page, load, userData, log, pid: server.server.pid, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The desktop VS Code whose executable `MTA_DESKTOP` names; see `npm run test:desktop`. */
export async function openDesktop(options: WorkbenchOptions): Promise<Session> {
  const executablePath = process.env['MTA_DESKTOP']!;
  const { vsix = vsixPath(), more = [], settings = {}, keybindings = [], trust = true, browserFlags = [] } = options;
  const data = mkdtempSync(join(tmpdir(), 'mta-desktop-'));
  const userData = join(data, 'user-data');
  writeUser(userData, settings, keybindings);
  const folders = [`--user-data-dir=${userData}`, `--extensions-dir=${join(data, 'extensions')}`];
  const [cli = '', ...cliArgs] = resolveCliArgsFromVSCodeExecutablePath(executablePath, { reuseMachineInstall: true });
  const packages = vsix === null ? more : [vsix, ...more];
  const extensions = packages.flatMap(path => ['--install-extension', path]);
  if (packages.length > 0)
    execFileSync(cli, [...cliArgs, ...folders, ...extensions], { shell: process.platform === 'win32' });
  const args = [...folders, '--no-sandbox', '--skip-welcome', '--skip-release-notes', '--disable-updates'];
  if (trust) args.push('--disable-workspace-trust');
  const app = await _electron.launch({ executablePath, args: [...args, ...browserFlags, resolve(options.folder)] });
  const page = await app.firstWindow();
  await page.evaluate(nameHelper);
  let log = '';
  for (const stream of [app.process().stdout, app.process().stderr]) stream?.on('data', chunk => (log += chunk));
  const close = async () => {
    await app.close();
    rmSync(data, { recursive: true, force: true, maxRetries: 5 });
  };
  return { page, load: () => untilShown(page), userData, log: () => log, pid: app.process().pid, close };
}

/** A remote's name, or other items, are in the status bar once the page is connected. */
async function untilShown(page: Page): Promise<void> {
  await page.locator('.monaco-workbench .statusbar-item').first().waitFor({ timeout: loadMs });
}
