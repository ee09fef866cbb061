/** What others made and we ship: how many packages, under which licences, and that the lockfile pins their bytes. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
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

const lockfiles = ['package-lock.json', join('test', 'e2e', 'workbench', 'package-lock.json')];
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
  // lru-cache drops what was not used for longest by size, wherever something large is kept.
  assert.ok(places.length <= 53, `${places.length}: ${places.join(', ')}`);
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
      if (!inBundle) assert.match(integrity ?? '', /^sha512-/, place);
      assert.ok(resolved === undefined || resolved.startsWith('https://registry.npmjs.org/'), `${place}: ${resolved}`);
    }
  });
}

test('no install script runs', () => {
  assert.match(readFileSync(join(root, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m);
});
