// Runs the browser workbench (code-server) with the extension installed; used by `npm start` and the end-to-end tests.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnerProxy } from './ownerProxy.mjs';
import { vsixPath } from './package.mjs';
import { root, SetupError, workbench } from './setup.mjs';

/** A quiet workbench: nothing that phones, greets or offers. */
const quietSettings = {
  'chat.disableAIFeatures': true,
  'files.autoSave': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  // As long on every machine: else a range is as long as the machine is fast.
  'mtaInspector.range.maxTokens': 512,
  'git.openRepositoryInParentFolders': 'never',
  'security.workspace.trust.banner': 'never',
  'security.workspace.trust.startupPrompt': 'never',
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
};

/**
 * @typedef {object} Process
 * @property {number} pid
 * @property {number} parent
 * @property {number} ticks processor time used so far, in hundredths of a second
 * @property {string} command with its arguments, separated by spaces
 */

/**
 * What the system tells of a process; undefined once it has ended. Reads /proc: the workbench runs on Linux only.
 * @param {number} pid
 */
export function statOf(pid) {
  try {
    // "pid (name) state parent …", where the name may hold spaces and brackets
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined; // ended, and its code was not asked for yet
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined;
  }
}

/**
 * A process's descendants, parents before children.
 * @param {number} ancestor
 * @returns {Process[]}
 */
export function descendants(ancestor) {
  /** @type {Process[]} */
  const all = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isNaN(pid) ? undefined : statOf(pid);
    if (!stat) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      all.push({ pid, ...stat, command });
    } catch {
      // ended while we were reading
    }
  }
  const childrenOf = (/** @type {number} */ pid) => all.filter(process => process.parent === pid);
  const found = childrenOf(ancestor);
  for (const process of found) found.push(...childrenOf(process.pid));
  return found;
}

/**
 * Makes the folder of a user's settings and keys.
 * @param {string} userData
 * @param {Record<string, unknown>} settings over quiet defaults
 * @param {readonly object[]} keybindings as in `keybindings.json`
 */
export function writeUser(userData, settings, keybindings) {
  const folder = join(userData, 'User');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ ...quietSettings, ...settings }, null, 2));
  writeFileSync(join(folder, 'keybindings.json'), JSON.stringify(keybindings));
}

/**
 * @param {readonly string[]} packages
 * @param {string} extensions the folder to install into
 * @param {string} userData
 * @param {NodeJS.ProcessEnv} env
 */
function install(packages, extensions, userData, env) {
  const folders = ['--user-data-dir', userData, '--extensions-dir', extensions];
  writeFileSync(join(userData, 'config.yaml'), '');
  const args = [workbench.entry, '--config', join(userData, 'config.yaml'), ...folders];
  args.push(...packages.flatMap(path => ['--install-extension', path]));
  const { status, stdout, stderr } = spawnSync(workbench.node, args, { env, encoding: 'utf8' });
  if (status !== 0) throw new SetupError(`The workbench could not install ${packages}:\n${stdout}${stderr}`);
}

/**
 * A folder of extensions with this project's package, to be copied: installing it takes 3 s of processor time, a copy a tenth.
 * @param {string} vsix
 * @param {NodeJS.ProcessEnv} env
 */
function installedOnce(vsix, env) {
  const hash = createHash('sha256').update(readFileSync(vsix)).update(workbench.entry).digest('hex').slice(0, 16);
  const all = join(root, 'test-results', 'installed');
  const folder = join(all, hash);
  if (existsSync(folder)) return folder;
  mkdirSync(all, { recursive: true });
  // Older packages, which nobody asks for again. What begins with this one's hash is another process's work.
  for (const name of readdirSync(all)) if (!name.startsWith(hash)) rmSync(join(all, name), { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), 'mta-install-'));
  const made = mkdtempSync(join(all, `${hash}-`));
  try {
    install([vsix], made, scratch, env);
    renameSync(made, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // else another process was first
  } finally {
    for (const path of [scratch, made]) rmSync(path, { recursive: true, force: true });
  }
  return folder;
}

/**
 * Makes a folder of VS Code's own extensions: all that only declare something, such as themes and grammars, and of those
 * that run code the chosen ones. The others, with the servers that they start, take a fifth of the processor time of opening
 * and inspecting a file.
 * @param {string} folder
 * @param {readonly string[]} chosen by the names of their folders
 */
function linkBuiltIn(folder, chosen) {
  mkdirSync(folder);
  for (const name of readdirSync(workbench.builtInExtensions)) {
    const path = join(workbench.builtInExtensions, name);
    const manifest = join(path, 'package.json');
    if (!existsSync(manifest)) continue;
    const { main, browser } = JSON.parse(readFileSync(manifest, 'utf8'));
    const isDeclarative = main === undefined && browser === undefined;
    if (isDeclarative || chosen.includes(name)) symlinkSync(path, join(folder, name));
  }
}

/**
 * Starts the workbench with fresh user data and only the given extensions, all in a temporary folder. It listens on a socket
 * in that folder, which nobody else can enter; `ownerProxy.mjs` lets those in who have the address.
 * @param {object} options
 * @param {string | null} options.vsix the packaged extension; null installs none
 * @param {string[]} [options.more] more packaged extensions
 * @param {Record<string, unknown>} [options.settings] user settings, over quiet defaults
 * @param {readonly object[]} [options.keybindings] as in the user's `keybindings.json`
 * @param {readonly string[]} [options.builtIn] which of VS Code's own extensions may run code; default: all
 * @param {boolean} [options.trust] false opens every folder in restricted mode
 * @param {string} [options.dataFolder] where the temporary folder is made
 * @param {Readonly<Record<string, string>>} [options.environment] more variables for all that the workbench starts
 */
export async function startServer({
  vsix,
  more = [],
  builtIn,
  settings = {},
  keybindings = [],
  trust = true,
  dataFolder = tmpdir(),
  environment = {},
}) {
  const data = mkdtempSync(join(dataFolder, 'mta-workbench-'));
  const userData = join(data, 'user-data');
  writeUser(userData, settings, keybindings);
  writeFileSync(join(data, 'config.yaml'), '');
  // Variables of a surrounding VS Code terminal or test runner would change what the server does.
  const own = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VSCODE_|NODE_OPTIONS$|NODE_TEST_CONTEXT$|PORT$)/.test(name)),
  );
  const env = { ...own, ...environment };
  const common = [workbench.entry, '--config', join(data, 'config.yaml')];
  common.push('--user-data-dir', userData, '--extensions-dir', join(data, 'extensions'));
  const extensions = join(data, 'extensions');
  try {
    const isOurs = vsix === vsixPath();
    if (isOurs) cpSync(installedOnce(vsix, env), extensions, { recursive: true });
    const others = vsix === null || isOurs ? more : [vsix, ...more];
    if (others.length > 0) install(others, extensions, userData, env);
    if (builtIn) {
      const folder = join(data, 'built-in');
      linkBuiltIn(folder, builtIn);
      common.push('--builtin-extensions-dir', folder);
    }
  } catch (error) {
    rmSync(data, { recursive: true, force: true });
    throw error;
  }

  const socket = join(data, 'server.sock');
  const options = ['--auth', 'none', '--socket', socket, '--socket-mode', '600', '--disable-telemetry'];
  options.push('--disable-update-check', '--disable-getting-started-override');
  // Should this process be killed before it can stop the server, the server ends by itself.
  if (!workbench.isOldest) options.push('--idle-timeout-seconds', '120'); // which knows no such option
  if (trust) options.push('--disable-workspace-trust');
  const server = spawn(workbench.node, [...common, ...options], { env, stdio: ['ignore', 'pipe', 'pipe'] });

  let log = '';
  /** @type {Awaited<ReturnType<typeof startOwnerProxy>> | undefined} */
  let proxy;
  /** Ends the server and everything it started, at once. */
  const stop = () => {
    process.off('exit', stop);
    proxy?.close();
    // Whoever is killed first cannot start anything new, so parents come first.
    const pids = server.pid === undefined ? [] : [server.pid, ...descendants(server.pid).map(({ pid }) => pid)];
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // already gone
      }
    }
    rmSync(data, { recursive: true, force: true, maxRetries: 5 });
  };
  process.on('exit', stop);
  // Without a listener a signal ends this process with no `exit` event, and the server would stay.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

  try {
    await /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        const onData = (/** @type {Buffer} */ chunk) => {
          log += chunk;
          if (log.includes(`HTTP server listening on ${socket}`)) resolve();
        };
        server.stdout.on('data', onData);
        server.stderr.on('data', onData);
        server.on('error', reject);
        server.on('exit', code =>
          reject(new SetupError(`The workbench ended with code ${code} while starting:\n${log}`)),
        );
      })
    );
    proxy = await startOwnerProxy(socket);
  } catch (error) {
    stop();
    throw error;
  }

  return {
    origin: proxy.origin,
    authority: proxy.authority,
    withSecret: proxy.withSecret,
    server,
    /** Holds the logs of the server, the extension host and the extension. */
    userData,
    log: () => log,
    stop,
  };
}

/**
 * The address that opens a folder and, if given, a file in it, with the secret that lets its reader in.
 * @param {Pick<Awaited<ReturnType<typeof startServer>>, 'origin' | 'authority' | 'withSecret'>} server
 * @param {string} folder
 * @param {string} [file]
 */
export function workbenchAddress({ origin, authority, withSecret }, folder, file) {
  const url = new URL(origin);
  url.searchParams.set(folder.endsWith('.code-workspace') ? 'workspace' : 'folder', folder);
  if (file) url.searchParams.set('payload', JSON.stringify([['openFile', `vscode-remote://${authority}${file}`]]));
  return withSecret(url);
}
