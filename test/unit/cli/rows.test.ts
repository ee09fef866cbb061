/** Row t makes the prediction of token t + 1: whatever shows rows of selected tokens says which it takes and offers both. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CommandName, readArguments, syntax } from '../../../src/cli/options';
import { root } from '../../fixtures/paths';

/** Those that show no row of a map: whole files, models, speed. */
const withoutRows: readonly CommandName[] = [
  ...(['eval', 'toy', 'golden', 'bench', 'models', 'download', 'export-repository', 'completion'] as const),
];
/** Those that are about selected tokens. The others show all rows, or go on after the last one. */
const aboutTokens: readonly CommandName[] = [
  ...(['context', 'search', 'ablate', 'explain', 'lens', 'knockout', 'patch'] as const),
];
const schemas: Partial<Readonly<Record<CommandName, string>>> = { export: 'facts', ablate: 'ablate-parts' };

for (const name of (Object.keys(syntax) as CommandName[]).filter(command => !withoutRows.includes(command))) {
  test(`${name}: its help and its schema say which row makes a prediction`, () => {
    const { help } = readArguments([name, '--help']) as { readonly help: string };
    assert.match(help, /\brows?\b/i);
    assert.match(help, /predict/);
    const file = join(root, 'src', 'cli', 'schemas', `${schemas[name] ?? name}.schema.json`);
    assert.match(readFileSync(file, 'utf8'), /predicting|[Rr]ow t /);
    const { options } = syntax[name];
    assert.equal((options as readonly string[]).includes('row'), aboutTokens.includes(name));
    if (aboutTokens.includes(name)) assert.match(help, /--row predicting\|reading|--row reading\|predicting/);
  });
}
