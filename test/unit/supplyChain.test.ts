/** What others made and we ship: how many packages, under which licences, and that the lockfile pins their bytes. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../fixtures/paths';

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const workbenches = ['test/e2e/workbench', 'test/e2e/oldestWorkbench'];
const lockfiles = [
  ...['package-lock.json', '.github/publish/package-lock.json', 'docs/site/package-lock.json'],
  ...workbenches.flatMap(folder => [`${folder}/package-lock.json`, `${folder}/vscode-lock.json`]),
];
const textOf = (name: string) => readFileSync(join(root, name), 'utf8');
const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'));
const packages: Readonly<Record<string, Locked>> = read('package-lock.json').packages;

/** Places in `node_modules` of everything that a run can load, found as Node finds it. */
function runtimePackages(): string[] {
  const found = new Set<string>();
  const visit = (from: string) => {
    for (const name of Object.keys(packages[from]?.dependencies ?? {})) {
      let folder = from;
      let place = `${folder ? `${folder}/` : ''}node_modules/${name}`;
      while (!packages[place] && folder) {
        folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')));
        place = `${folder ? `${folder}/` : ''}node_modules/${name}`;
      }
      assert.ok(packages[place], `${name}, which ${from || 'the project'} needs, is not locked`);
      if (found.has(place)) continue;
      found.add(place);
      visit(place);
    }
  };
  visit('');
  return [...found].sort();
}

test('runtime dependencies: no more than are known, under licences that allow what we do', () => {
  const places = runtimePackages();
  // A new dependency has to earn its place: raise this in the commit that says how.
  // @vscode/l10n is what VS Code's own bundle of translations is read with where there is no `vscode`: in the panel.
  // ONNX Runtime in WebAssembly brings 17, of which only itself is shipped, in the universal package.
  // d3-scale-chromatic makes the colour scales; of the 9 packages with it, 3 are bundled.
  // lru-cache drops what was not used for longest by size, wherever something large is kept.
  // undici and proxy-from-env: downloads of the command line go through the proxies of the environment, which Node's own
  // fetch does not know.
  // @huggingface/jinja renders chat templates; it has no dependencies.
  assert.ok(places.length <= 65, `${places.length}: ${places.join(', ')}`);
  const allowed = [
    'MIT',
    'Apache-2.0',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'ISC',
    '0BSD',
    '(MIT OR CC0-1.0)',
    '(Apache-2.0 AND BSD-3-Clause)',
  ];
  const others = places.filter(place => !allowed.includes(packages[place]!.license ?? ''));
  assert.deepEqual(
    others.map(place => `${place}: ${packages[place]!.license}`),
    [],
  );
});

for (const name of lockfiles) {
  test(`${name}: every package is pinned by a hash, none by an address`, () => {
    const locked: [string, Locked & { link?: boolean; inBundle?: boolean }][] = Object.entries(read(name).packages);
    for (const [place, { integrity, resolved, inBundle }] of locked) {
      if (place === '') continue;
      if (!inBundle) assert.match(integrity ?? '', /(^| )sha512-/, place);
      assert.ok(resolved === undefined || resolved.startsWith('https://registry.npmjs.org/'), `${place}: ${resolved}`);
    }
  });
}

test('no install script runs, and nothing takes what is newest', () => {
  assert.match(textOf('.npmrc'), /^ignore-scripts=true$/m);
  const workflows = readdirSync(join(root, '.github/workflows')).map(name => `.github/workflows/${name}`);
  const scripts = readdirSync(join(root, 'scripts')).filter(name => name.endsWith('.mjs'));
  for (const name of [...workflows, ...scripts.map(script => `scripts/${script}`), '.ci/run', 'package.json']) {
    const text = textOf(name);
    assert.doesNotMatch(text, /ignore-scripts=false|npm_config_yes|npm['", ]+rebuild|npx (?!--no )/, name);
    // npm reads a lockfile with "ci" only.
    for (const [line] of text.matchAll(/.*npm ci.*/g)) assert.match(line, /--ignore-scripts/, name);
    assert.doesNotMatch(text, /npm (install|i) (?!-|the)/, name);
  }
});

test('actions are pinned by the hash of a commit, with their version beside it', () => {
  for (const name of readdirSync(join(root, '.github/workflows'))) {
    for (const [line] of textOf(`.github/workflows/${name}`).matchAll(/.*uses:.*/g)) {
      assert.match(line, /uses: [\w-]+\/[\w-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/, name);
    }
  }
});

const pythonLists = [
  ...['scripts/requirements', 'models/requirements', 'test/bench/peers/requirements'],
  ...['models/serving/requirements', 'models/serving/requirements-mlserver'],
];
for (const list of pythonLists) {
  test(`${list}.txt: every package in one version with its hashes, none from an address`, () => {
    const locked = textOf(`${list}.txt`);
    assert.doesNotMatch(locked, /https?:|index-url|find-links|trusted-host|^-/m);
    const entries = locked.trimEnd().split(/\n(?! )/);
    for (const entry of entries) {
      assert.match(entry, /^[\w.-]+==[\w.+!]+( ; [^\\]+)? \\\n/);
      assert.match(entry, /( {4}--hash=sha256:[\da-f]{64}( \\\n|$))+$/);
    }
    // What is asked for is there, in the version that is asked for.
    const asked = textOf(`${list}.in`).split('\n');
    for (const line of asked.filter(line => line && !line.startsWith('#'))) {
      const [, name = '', version] = /^([\w-]+)(?:\[\w+\])?(?:==(.+)|>=.+)?$/.exec(line) ?? [];
      const start = `${name}==${version ?? ''}`;
      assert.ok(
        entries.some(entry => entry.startsWith(start)),
        line,
      );
    }
  });
}

test('Python packages are installed from these lists only, and with their hashes', () => {
  const text = textOf('scripts/setup.mjs');
  for (const [call] of text.matchAll(/'pip',\s*'install'[^)]*?\]/g)) {
    const options = call.includes('...options')
      ? text.slice(text.lastIndexOf('const options', text.indexOf(call)))
      : call;
    assert.match(options.slice(0, 400), /'--require-hashes'/, call);
  }
});
