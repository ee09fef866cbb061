/** What the extension host is made of: nothing that opens a model folder, which could hold it up or end it. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { root } from '../fixtures/paths';

/** Every source that is imported, other than for its types alone. */
function imported(entry: string): Set<string> {
  const found = new Set<string>();
  const pending = [entry];
  while (pending.length > 0) {
    const file = pending.pop()!;
    if (found.has(file)) continue;
    found.add(file);
    const source = readFileSync(file, 'utf8');
    for (const [, clause, path] of source.matchAll(/^import ([^;]*?)'(\.[^']+)';/gms)) {
      if (/^type /.test(clause!)) continue;
      const names = /^\{([^}]*)\} from $/s.exec(clause!)?.[1];
      if (names?.split(',').every(name => name.trim() === '' || /^\s*type /.test(name))) continue;
      const next = join(dirname(file), `${path}.ts`);
      if (existsSync(next)) pending.push(next);
    }
  }
  return found;
}

test('the extension host opens no model folder and loads no runtime', () => {
  const files = [...imported(join(root, 'src', 'extension.ts'))].map(file =>
    relative(root, file).replaceAll('\\', '/'),
  );
  assert.ok(files.includes('src/analysis/folderReader.ts') && files.length > 80, `${files.length} files`);
  // Bundled models alone are described by the host; `folderFiles` comes with that.
  const allowed = ['src/inference/model/describeFolder.ts', 'src/inference/model/folderFiles.ts'];
  const reading = files.filter(file =>
    /^src\/inference\/(model|runtime|run|experiments)\/|^src\/graph\/onnx/.test(file),
  );
  assert.deepEqual(
    reading.filter(file => !allowed.includes(file)),
    [],
  );
});
