/** Every option of every command is one that the command takes, or is refused by name. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HeadOptions, headOptionsProblem } from '../../../src/cli/chooseHeads';
import {
  type CommandName,
  type CommandSyntax,
  type OptionName,
  options,
  readArguments,
  syntax,
  UsageError,
  usage,
} from '../../../src/cli/options';

const names = Object.keys(options) as OptionName[];
const given = (command: CommandName, name: OptionName) =>
  'value' in options[name] && !(command === 'models' && name === 'json') ? [`--${name}`, 'v'] : [`--${name}`];

for (const [command, { takes, options: taken }] of Object.entries(syntax) as [CommandName, CommandSyntax][]) {
  const files = takes === null ? [] : takes === 'CLEAN CORRUPTED' ? ['f', 'g'] : ['f'];
  test(`${command} takes its options and refuses all others by name`, () => {
    for (const name of names) {
      const read = () => readArguments([command, ...files, ...given(command, name)]);
      if (taken.includes(name)) {
        const args = read();
        assert.ok('values' in args && name in args.values, name);
      } else assert.throws(read, new RegExp(`^UsageError|${command} does not take --${name}`), name);
    }
  });

  test(`${command} --help describes every option, and the usage of all names the command`, () => {
    const read = readArguments([command, '--help']);
    assert.ok('help' in read);
    for (const name of taken) assert.match(read.help, new RegExp(`^ {2}--${name} `, 'm'));
    assert.match(usage, new RegExp(`^ {2}mta-inspect ${command} `, 'm'));
  });

  test(`${command} refuses other numbers of files, and an option that is given twice or empty`, () => {
    const wrong = takes === null || takes === 'CLEAN CORRUPTED' ? ['f'] : takes === 'FILE...' ? [] : ['f', 'g'];
    assert.throws(
      () => readArguments([command, ...wrong]),
      /takes no file|needs (one|at least one|two) (FILE|DIR|ID|SHELL|files)/,
    );
    const name = taken.find(option => 'value' in options[option] && !('isRepeatable' in options[option]));
    if (!name || command === 'models') return;
    const twice = [...given(command, name), ...given(command, name)];
    assert.throws(() => readArguments([command, ...files, ...twice]), new RegExp(`--${name} is given twice`));
    assert.throws(() => readArguments([command, ...files, `--${name}=`]), new RegExp(`--${name} is empty`));
  });
}

test('the old name of search still works, options may come first, and no command is made up', () => {
  const read = readArguments(['--at', '3', 'map', 'f']);
  assert.deepEqual('command' in read && [read.command, read.values.at], ['search', '3']);
  for (const name of ['inspect', 'toString', '__proto__']) {
    assert.throws(() => readArguments([name]), /there is no command/);
  }
  assert.throws(() => readArguments([]), /a command is missing/);
});

const wrongValues: [string[], RegExp][] = [
  [['--at'], /^--at has no value, expected OFFSET$/],
  [['--at', '--json', 'x'], /^--at has no value before --json, expected OFFSET; .* is given as --at=VALUE$/],
  [['--at', '-x'], /^--at has no value before -x, expected OFFSET/],
  [['--cells=yes'], /^--cells takes no value, found "yes"$/],
  [['--no-cells'], /^explain does not take --no-cells$/],
  [['-x'], /^explain does not take -x$/],
  [['--colour', 'red'], /^explain does not take --colour$/],
];
for (const [given, message] of wrongValues) {
  test(`explain f ${given.join(' ')} is refused in words`, () => {
    assert.throws(() => readArguments(['explain', 'f', ...given]), { constructor: UsageError, message });
  });
}

test('a negative number is a value, which its reader refuses; so is -, and what follows =', () => {
  const read = readArguments(['explain', 'f', '--at', '-1', '--json', '-', '--target=-x']);
  assert.ok('values' in read);
  assert.deepEqual({ ...read.values }, { at: '-1', json: '-', target: '-x' });
});

const none: HeadOptions = { method: 'mean', heads: undefined, layer: undefined, head: undefined, stage: undefined };
const combinations: [Partial<HeadOptions>, RegExp | null][] = [
  [{}, null],
  [{ heads: '2.0,3.*' }, null],
  [{ heads: 'layer', layer: 2 }, null],
  [{ method: 'head' }, null],
  [{ method: 'head', layer: 1, head: 2, stage: 'scores' }, null],
  [{ method: 'head', heads: '6.5', stage: 'scores' }, null],
  [{ method: 'head', heads: '6.5', head: 2 }, /--heads and --layer or --head name the head twice/],
  [{ method: 'head', heads: 'all' }, /--method head needs one head/],
  [{ head: 2 }, /--head needs --method head/],
  [{ method: 'max', stage: 'scores' }, /--stage needs --method head/],
  [{ layer: 1 }, /--layer needs --method head or --heads layer/],
];
for (const [change, problem] of combinations) {
  test(`heads by ${JSON.stringify(change)}`, () => {
    const found = headOptionsProblem({ ...none, ...change });
    if (problem) assert.match(found ?? '', problem);
    else assert.equal(found, null);
  });
}
