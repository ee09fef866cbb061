// `npm run lock:python`: writes the Python lists anew, each `NAME.txt` from its `NAME.in`: every package with its version and
// the hashes of its files, for every system and for Python from 3.10 on. Needs `npm run serve` or `npm test` to have run once.
import { spawnSync } from 'node:child_process';
import { ensureServing, root } from './setup.mjs';

/** Where lists lie, without their ending. */
const pythonLists = [
  'scripts/requirements',
  'models/requirements',
  'models/serving/requirements',
  'models/serving/requirements-mlserver',
  'test/bench/peers/requirements',
];

const python = ensureServing();
for (const list of pythonLists) {
  const options = ['--quiet', '--upgrade', '--generate-hashes', '--no-annotate', '--no-header'];
  // A benchmark's peer is installed without what it needs at run time: only its page is drawn.
  options.push(...(list.includes('peers') ? ['--no-deps'] : []), '--universal', '--python-version', '3.10');
  const args = ['-m', 'uv', 'pip', 'compile', ...options, `${list}.in`, '--output-file', `${list}.txt`];
  const { status } = spawnSync(python, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${list}.in could not be locked.`);
}
