/** The import table of docs/architecture.md: names every folder, and `npm run check` refuses what it forbids. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { root } from '../fixtures/paths';

/** A file, what it imports, and whether the table allows that. */
const imports: readonly (readonly [file: string, from: string, isAllowed: boolean])[] = [
  ['src/shared/tools/x.ts', 'valibot', true],
  ['src/shared/tools/x.ts', '../analysis', false],
  ['src/shared/x.ts', './tools/failure', true],
  ['src/shared/x.ts', './panel/panelMessages', false],
  ['src/shared/panel/x.ts', '../analysis', true],
  ['src/shared/panel/x.ts', '../../analysis/analysis', false],
  ['src/attention/x.ts', '../shared/attentionMap', true],
  ['src/attention/x.ts', '../graph/layerPlan', false],
  ['src/tokenization/x.ts', 'node:fs', false],
  ['src/graph/x.ts', './onnx/onnx_pb', true],
  ['src/graph/x.ts', 'onnxruntime-node', false],
  ['src/graph/x.ts', 'vscode', false],
  ['src/export/x.ts', '../shared/tools/failure', true],
  ['src/export/x.ts', 'vscode', false],
  ['src/hub/x.ts', '../shared/repository', true],
  ['src/hub/x.ts', '../inference/model/folderFiles', false],
  ['src/inference/model/x.ts', 'node:fs/promises', true],
  ['src/inference/model/x.ts', '../runtime/session', false],
  ['src/inference/stores/x.ts', '../model/folderFiles', true],
  ['src/inference/stores/x.ts', '../runtime/memory', false],
  ['src/inference/model/onnxView/x.ts', '../folder', true],
  ['src/inference/model/onnxView/x.ts', '../../runtime/session', false],
  ['src/inference/model/gguf/x.ts', '../folderFiles', true],
  ['src/inference/model/gguf/x.ts', '../../runtime/session', false],
  ['src/inference/runtime/x.ts', 'onnxruntime-node', true],
  ['src/inference/runtime/x.ts', '../run/run', false],
  ['src/inference/runtime/x.ts', './remote/openRemote', false],
  ['src/inference/runtime/remote/x.ts', '../values', true],
  ['src/inference/runtime/remote/x.ts', '../../run/run', false],
  ['src/inference/run/x.ts', '../runtime/layerRuntime', true],
  ['src/inference/run/x.ts', '../experiments/occlusion', false],
  ['src/inference/run/x.ts', 'onnxruntime-node', false],
  ['src/inference/experiments/x.ts', '../run/run', true],
  ['src/inference/experiments/x.ts', '../engine', false],
  ['src/inference/x.ts', './experiments/occlusion', true],
  ['src/inference/x.ts', 'vscode', false],
  ['src/inference/client.ts', './protocol', true],
  ['src/inference/client.ts', './engine', false],
  ['src/cli/x.ts', '../inference/runtime/memory', true],
  ['src/cli/x.ts', '../analysis/analysis', false],
  ['src/x.ts', '../shared/tools/failure', true],
  ['src/x.ts', './analysis/analysis', false],
  ['src/analysis/x.ts', '../inference/client', true],
  ['src/analysis/x.ts', '../inference/engine', false],
  ['src/analysis/x.ts', '../panel/bridge', false],
  ['src/editor/x.ts', '../analysis/analysis', true],
  ['src/editor/x.ts', '../hub/download', true],
  ['src/editor/x.ts', '../panel/bridge', false],
  ['src/panel/x.ts', '../shared/panel/panelMessages', true],
  ['src/panel/x.ts', '../editor/hover', false],
  ['src/panel/x.ts', '../inference/client', false],
  ['src/api/x.ts', '../../api/mtaInspector', true],
  ['src/api/x.ts', '../panel/bridge', false],
  ['src/extension.ts', './panel/bridge', true],
  ['src/extension.ts', './cli/main', false],
  ['webview/views/x.ts', '../../src/attention/topKeys', true],
  ['webview/views/x.ts', '../../src/analysis/analysis', false],
  ['webview/views/x.ts', 'node:path', false],
  ['webview/heatmap/x.ts', '../store', true],
  ['webview/heatmap/x.ts', '../views/view', false],
  ['test/fixtures/x.ts', '../../src/inference/engine', true],
  ['test/fixtures/x.ts', '../unit/fuzz', false],
  ['test/unit/x.ts', '../e2e/harness/session', false],
];

interface Report {
  readonly diagnostics: readonly {
    readonly category: string;
    readonly location: { readonly path: string | { readonly file: string } };
  }[];
}

test('a wrong import fails the check, by value, as a type and re-exported, and so does a circle', () => {
  const folder = mkdtempSync(join(tmpdir(), 'imports-'));
  try {
    const { overrides, linter } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    write('biome.json', JSON.stringify({ overrides, linter }));
    const expected = new Set<string>();
    for (const [i, [file, from, isAllowed]] of imports.entries()) {
      const forms = [`import { a } from '${from}';\na();`, `import type { A } from '${from}';\nexport type B = A;`];
      forms.push(`export { a } from '${from}';`);
      const own = /client|extension/.test(file); // rows of single files take these as they are
      for (const [form, text] of own ? [[0, forms[1]!] as const] : forms.entries()) {
        const path = own ? file : file.replace('x.ts', `planted${i}_${form}.ts`);
        if (own && isAllowed) continue;
        write(path, `${text}\n`);
        if (!isAllowed) expected.add(`${path} lint/style/noRestrictedImports`);
      }
    }
    for (const [one, other] of ['ab', 'ba']) {
      write(`src/graph/${one}.ts`, `import type { ${other} } from './${other}';\nexport type ${one} = ${other} | 1;\n`);
      expected.add(`src/graph/${one}.ts lint/suspicious/noImportCycles`);
    }
    const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
    const only = ['--only=style/noRestrictedImports', '--only=suspicious/noImportCycles'];
    const options = { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 26 } as const;
    const args = [biome, 'lint', ...only, '--reporter=json', '--max-diagnostics=none', '.'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, options);
    assert.equal(status, 1, stderr);
    const { diagnostics } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as Report;
    const found = diagnostics.map(({ category, location: { path } }) => {
      const place = typeof path === 'string' ? path : path.file;
      return `${(place.startsWith('/') ? relative(folder, place) : place).replaceAll('\\', '/')} ${category}`;
    });
    assert.deepEqual([...new Set(found)].sort(), [...expected].sort());
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the table names every folder of src, webview, api and test, and no other', () => {
  const text = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');
  const table = text.slice(text.indexOf('| folder | may import'), text.indexOf('## From command to pixel'));
  const rows = table.split('\n').map(line => line.split('|')[1] ?? '');
  const named = new Set(rows.flatMap(cell => [...cell.matchAll(/`([\w/]+)`/g)].map(([, name]) => name!)));
  const folders = ['src', 'webview', 'api'].flatMap(foldersOf);
  const tests = readdirSync(join(root, 'test'), { withFileTypes: true });
  folders.push(...tests.filter(entry => entry.isDirectory()).map(({ name }) => `test/${name}`));
  assert.deepEqual([...named].sort(), folders.sort());
});

/** A folder and those in it; git leaves empty ones behind when their files move away. */
function foldersOf(path: string): string[] {
  const entries = readdirSync(join(root, path), { withFileTypes: true });
  const inside = entries.filter(entry => entry.isDirectory()).flatMap(({ name }) => foldersOf(`${path}/${name}`));
  return inside.length > 0 || entries.some(entry => entry.isFile()) ? [path, ...inside] : [];
}
