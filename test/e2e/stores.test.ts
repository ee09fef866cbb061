/** Models that other programs have put on this machine, in the workbench: listed, chosen, run, and refused with a reason. */

import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { after, before, test } from 'node:test';
import { createVSIX } from '@vscode/vsce';
import { packageModelFolder } from '../../scripts/package.mjs';
import { huggingFaceCases, writeHuggingFaceModel } from '../fixtures/huggingFace';
import { writeManifest, writeOllamaModel, writeSnapshot } from '../fixtures/modelStores';
import { int8ModelDirectory, tinyModelDirectory } from '../fixtures/paths';
import { spellingGguf } from '../fixtures/spellingGguf';
import { openList, takeNotification, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const scratch = mkdtempSync(join(tmpdir(), 'mta-e2e-hub-'));
const [folder, home, cache, ollama] = ['documents', 'home', 'cache', 'ollama'].map(name => join(scratch, name)) as [
  string,
  string,
  string,
  string,
];
function write(path: string, data: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, data);
}

/** The stores of all programs, with good models and bad ones. */
function writeStores(): void {
  const gguf = spellingGguf();
  writeSnapshot(cache, 'here/tiny', tinyModelDirectory);
  writeSnapshot(cache, 'here/tiny', tinyModelDirectory, { commit: 'e'.repeat(40), ref: 'older' });
  const other = join(scratch, 'other');
  const llama = huggingFaceCases().find(({ name }) => name === 'llama')!;
  writeHuggingFaceModel(other, { ...llama, config: { ...llama.config, model_type: 'mamba' } });
  writeSnapshot(cache, 'here/other', other);
  const pickled = join(scratch, 'pickled');
  write(join(pickled, 'pytorch_model.bin'), 'pickled');
  copyFileSync(join(tinyModelDirectory, 'config.json'), join(pickled, 'config.json'));
  writeSnapshot(cache, 'here/pickled', pickled);
  writeOllamaModel(ollama, ['registry.ollama.ai', 'library', 'small', 'latest'], gguf);
  writeManifest(ollama, ['registry.ollama.ai', 'library', 'torn', 'latest'], '{"layers": [');
  write(join(home, '.lmstudio', 'models', 'publisher', 'model', 'small.gguf'), gguf);
  write(join(home, '.lmstudio', 'models', 'publisher', 'model', 'cut.gguf'), gguf.subarray(0, 900));
  write(join(home, 'llama', 'plain.gguf'), gguf);
}

/** A model as an extension of its own, as `npm run package -- --model` makes it. */
function packedModel(): string {
  const model = join(scratch, 'model');
  cpSync(int8ModelDirectory, model, { recursive: true });
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
  write(join(model, 'config.json'), JSON.stringify({ ...config, license: 'MIT' }));
  for (const name of ['README.md', 'LICENSE']) write(join(model, name), `# ${name}\n`);
  return packageModelFolder(model);
}

/** An extension whose entries lead out of it, or try to look like something else. */
function oddExtension(): Promise<string> {
  const [cwd, packagePath] = [join(scratch, 'odd'), join(scratch, 'odd.vsix')];
  const models = [
    { path: `..${sep}..${sep}..${sep}${relative(dirname(homedir()), tinyModelDirectory)}`, name: 'Outside up' },
    { path: tinyModelDirectory, name: 'Outside absolute' },
    { path: './tiny', name: '$(warning) [Marked](command:x)' },
  ];
  cpSync(tinyModelDirectory, join(cwd, 'tiny'), { recursive: true });
  const engines = { vscode: '^1.100.0' };
  const contributes = { 'mtaInspector.models': models };
  write(
    join(cwd, 'package.json'),
    JSON.stringify({ name: 'odd', publisher: 'p', version: '1.0.0', engines, contributes }),
  );
  write(join(cwd, 'README.md'), '# odd\n');
  return createVSIX({ cwd, packagePath, allowMissingRepository: true, skipLicense: true }).then(() => packagePath);
}

let workbench: Workbench;
before(async () => {
  write(join(folder, 'a.txt'), 'one two three, one two three, one two four\n');
  writeStores();
  const environment = {
    ...{ HOME: home, HF_HUB_CACHE: cache, OLLAMA_MODELS: ollama },
    ...{ LLAMA_CACHE: join(home, 'llama'), HF_HOME: join(home, 'hf'), HF_TOKEN: '', HUGGING_FACE_HUB_TOKEN: '' },
    ...{ HF_HUB_OFFLINE: '', TRANSFORMERS_OFFLINE: '', NO_PROXY: '127.0.0.1' },
  };
  workbench = await startWorkbench({ folder, environment, more: [packedModel(), await oddExtension()] });
  await workbench.openFile('a.txt');
});
after(async () => {
  await workbench?.close();
  rmSync(scratch, { recursive: true, force: true });
});

const modelList = { command: 'Select Model…', placeholder: 'Model that runs on the document' };

/** Chooses the entry that names this model, once the list has it. */
async function select(name: string): Promise<void> {
  const { rows } = await openList(workbench, modelList, name);
  await rows.filter({ hasText: name }).first().click();
}

const listed: readonly (readonly [string, RegExp])[] = [
  ['here/tiny', /here\/tiny.*mta, [\d.]+ million parameters, [\d.]+ MB.*Needs \d[\d.]* MB of memory/s],
  ['here/tiny@older', /here\/tiny@older.*mta, /s],
  ['here/other', /here\/other.*"mamba"/s],
  ['here/pickled', /here\/pickled.*pytorch_model\.bin/s],
  ['small:latest', /small:latest.*llama, [\d.]+ million parameters, [\d.]+ MB/s],
  ['torn:latest', /torn:latest.*Its manifest is not valid JSON/s],
  ['publisher/model/small.gguf', /small\.gguf.*llama, /s],
  ['publisher/model/cut.gguf', /cut\.gguf.*Cannot read/s],
  ['plain.gguf', /plain\.gguf.*llama, /s],
];

test('Select Model… lists what other programs have put here, with what it is, or why it cannot be read', async () => {
  const { input, rows } = await openList(workbench, modelList);
  for (const [name, expected] of listed) {
    await input.fill(name);
    await rows.filter({ hasText: expected }).first().waitFor();
  }
  await workbench.screenshot('models-on-this-machine');
  await workbench.page.keyboard.press('Escape');
});

for (const [store, name] of [
  ['the Hugging Face cache', 'here/tiny'],
  ['Ollama', 'small:latest'],
  ['LM Studio', 'publisher/model/small.gguf'],
] as const) {
  test(`a model of ${store} that is chosen runs to a map`, async () => {
    await select(name);
    const frame = await untilDone(workbench);
    await frame
      .getByText(/tokens .* on CPU/)
      .first()
      .waitFor();
  });
}

test('a model that another extension brings is listed with it, chosen, and runs', async () => {
  await select('int8-model');
  const frame = await untilDone(workbench);
  await frame.getByText('weights as int8, kept packed').first().waitFor();
  const { input, rows } = await openList(workbench, modelList);
  await input.fill('int8-model');
  await rows
    .filter({ hasText: /int8-model.*in use.*from mta-inspector\.int8-model/s })
    .first()
    .waitFor();
  await workbench.page.keyboard.press('Escape');
});

test('of an extension’s entries those that lead out of it are not listed, and a name is text', async () => {
  const { input, rows } = await openList(workbench, modelList);
  await input.fill('Marked');
  const row = rows.filter({ hasText: '$ (warning) [Marked](command:x)' }).first();
  await row.waitFor();
  assert.equal(await row.locator('.codicon-warning').count(), 0);
  await input.fill('Outside');
  await row.waitFor({ state: 'hidden' });
  assert.equal(await rows.filter({ hasText: 'Outside' }).count(), 0);
  await workbench.page.keyboard.press('Escape');
});

test('a model that cannot be read says why when it is chosen, and the one in use stays', async () => {
  const before = workbench.logFiles('MTA Inspector').split('settings changed').length;
  await select('torn:latest');
  await takeNotification(workbench, /Cannot load torn:latest\. Its manifest is not valid JSON\./);
  assert.equal(workbench.logFiles('MTA Inspector').split('settings changed').length, before);
});
