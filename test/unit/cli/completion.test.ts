import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { completionScript, shells } from '../../../src/cli/completion';
import { type CommandSyntax, syntax } from '../../../src/cli/options';
import { stages } from '../../../src/shared/operators';

for (const shell of shells) {
  test(`${shell}: every command with all its options, and the values of --stage`, () => {
    const script = completionScript(shell);
    for (const [command, { options }] of Object.entries(syntax) as [string, CommandSyntax][]) {
      const line = script.split('\n').filter(text => text.includes(command));
      for (const name of options) {
        const written = shell === 'fish' ? ` -l ${name} ` : `--${name}`;
        assert.ok(
          line.some(text => text.includes(written)),
          `${command} ${name}`,
        );
      }
    }
    assert.ok(script.includes(stages.join(' ')));
  });
}

test('bash completes commands, options of the command alone, and values', {
  skip: process.platform === 'win32',
}, () => {
  const complete = (...typed: string[]) => {
    const script = `${completionScript('bash')}
COMP_WORDS=(mta-inspect ${typed.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${typed.length}
_mta_inspect; echo "\${COMPREPLY[*]}"`;
    return execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8' }).trim();
  };
  assert.equal(complete('expl'), 'explain');
  assert.equal(complete('explain', 'f', '--ce'), '--cells --cell');
  assert.equal(complete('heads', 'f', '--ce'), '');
  assert.equal(complete('analyze', 'f', '--stage', 'mixed_p'), 'mixed_pattern');
  assert.equal(complete('completion', 'f'), 'fish');
  assert.equal(complete('analyze', 'READ'), '');
});
