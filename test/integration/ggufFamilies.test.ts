/** Families in GGUF files: attention and logits equal those of Hugging Face's library with the same weights. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ggufArchitectures } from '../../src/inference/model/gguf/metadata';
import { compareWithLibrary } from '../fixtures/compareWithLibrary';
import { ggufBytes, ggufOf } from '../fixtures/ggufWriter';
import { huggingFaceCases } from '../fixtures/huggingFace';

const scratch = mkdtempSync(join(tmpdir(), 'mta-gguf-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Cases of what only config.json and safetensors files have: missing keys, other names of tensors, a head instead. */
const onlyTheirs =
  /^(gpt2-bare|llama-(bare|both-ropes|longrope|other-activations|tied-only)|mistral-layer-types|olmo2-no-eps)/;

const written = huggingFaceCases().flatMap(example => {
  if (onlyTheirs.test(example.name)) return [];
  const content = ggufOf(example);
  return content ? [{ example, content }] : [];
});

test('every architecture has its cases', () => {
  const found = new Set(written.map(({ content }) => content.metadata['general.architecture']));
  assert.deepEqual([...found].sort(), [...ggufArchitectures].sort());
});

for (const { example, content } of written) {
  test(`${example.name} as ${content.metadata['general.architecture']}`, async () => {
    const path = join(scratch, `${example.name}.gguf`);
    writeFileSync(path, ggufBytes(content));
    await compareWithLibrary(path, example);
  });
}
