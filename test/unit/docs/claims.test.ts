/** docs/claims.md: what is named as a proof exists. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { syntax } from '../../../src/cli/options';
import { root } from '../../fixtures/paths';

const page = readFileSync(join(root, 'docs', 'claims.md'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

function exists(proof: string): boolean {
  const [, script] = /^npm (?:run )?([\w:]+)/.exec(proof) ?? [];
  if (script) return Object.hasOwn(scripts, script);
  const [, command] = /^mta-inspect ([\w-]+)/.exec(proof) ?? [];
  return command ? Object.hasOwn(syntax, command) : existsSync(join(root, proof));
}

test('every claim names a proof, and every proof is there', () => {
  const rows = [...page.matchAll(/^\| (.+) \| (.+) \|$/gm)].slice(1);
  assert.ok(rows.length > 20);
  for (const [, claim, proof] of rows) {
    const named = [...proof!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    assert.ok(named.length > 0, claim);
    assert.deepEqual(
      named.filter(name => !exists(name)),
      [],
      claim,
    );
  }
});
