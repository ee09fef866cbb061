/** Failures of the inference process begin with a sentence of the reader's language, and keep their English details. */

import '../fixtures/vscode';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { config } from '@vscode/l10n';
import * as vscode from 'vscode';
import { FolderReader } from '../../src/analysis/folderReader';
import { failureCodes, inReadersLanguage } from '../../src/failureTexts';
import { InferenceClient, type InferenceProcess } from '../../src/inference/client';
import { RestartPolicy } from '../../src/inference/restartPolicy';
import { Cancelled, Failure, type FailureData } from '../../src/shared/tools/failure';
import { root } from '../fixtures/paths';

const german = JSON.parse(readFileSync(join(root, 'l10n', 'bundle.l10n.de.json'), 'utf8')) as Record<string, string>;

function setBundle(bundle: Record<string, string> | undefined): void {
  (vscode.l10n as { bundle: unknown }).bundle = bundle;
  config({ contents: bundle ?? {} });
}

afterEach(() => setBundle(undefined));

/** A process that answers every request with the failure, or ends with `exit`. */
function failing(failure: FailureData): InferenceProcess & { exit(reason: string): void } {
  let toHost: (message: unknown) => void = () => {};
  let exit: (reason: string) => void = () => {};
  return {
    send: message => queueMicrotask(() => toHost({ kind: 'failure', id: (message as { id: number }).id, failure })),
    onMessage: listener => {
      toHost = listener;
    },
    onExit: listener => {
      exit = listener;
    },
    exit: reason => exit(reason),
    kill() {},
  };
}

const missing = {
  code: 'no-model',
  message: 'There is no model folder /m. Pick another model.',
  actions: ['retry'],
} as const;

test('every error code of the inference process has a sentence, and each is translated', () => {
  const folders = ['inference', 'graph', 'tokenization', 'attention', 'shared'];
  const sources = folders.flatMap(folder =>
    readdirSync(join(root, 'src', folder), { encoding: 'utf8', recursive: true })
      .filter(name => name.endsWith('.ts'))
      .map(name => readFileSync(join(root, 'src', folder, name), 'utf8')),
  );
  const codes = sources.flatMap(source =>
    [...source.matchAll(/new (?:Remote)?Failure\(\s*'([^']+)'/g)].map(([, code]) => code!),
  );
  assert.ok(codes.length > 50, 'the sources were found');
  assert.deepEqual([...new Set(codes)].filter(code => !failureCodes.includes(code)).sort(), []);
  setBundle(german);
  for (const code of failureCodes) {
    const { message } = inReadersLanguage(new Failure(code, 'X 1.'));
    assert.match(message, /^[A-ZÄÖÜ].+\. Auf Englisch: X 1\.$/, code);
    const sentence = message.slice(0, -' Auf Englisch: X 1.'.length);
    assert.ok(Object.values(german).includes(sentence), `${code} is translated`);
  }
});

test('a failure reaches the reader in German, with its English details, code and buttons', async () => {
  setBundle(german);
  const client = new InferenceClient(() => failing(missing), new RestartPolicy(), undefined, inReadersLanguage);
  await assert.rejects(
    client.unload('main').then(() => client.overview({} as never)),
    (error: Failure) => {
      assert.equal(
        error.message,
        'Das Modell wurde nicht gefunden. Wählen Sie ein anderes. Auf Englisch: There is no model folder /m. Pick another model.',
      );
      assert.equal(error.code, 'no-model');
      assert.deepEqual(error.actions, ['retry']);
      return true;
    },
  );
  const folders = new FolderReader(() => failing(missing), undefined, inReadersLanguage);
  await assert.rejects(
    folders.read('describeFolder', '/m', 1000),
    /^Failure: Das Modell wurde nicht gefunden\. .*Auf Englisch: /,
  );
  folders.dispose();
});

test('that the process ended is said in German, too', async () => {
  setBundle(german);
  const process = { ...failing(missing), send() {} };
  const client = new InferenceClient(() => process, new RestartPolicy(), undefined, inReadersLanguage);
  const answer = client.overview({} as never);
  process.exit('code 7');
  await assert.rejects(answer, /^Failure: Der Inferenzprozess hat geendet\. .* Auf Englisch: .*\(code 7\)/);
});

test('English stays as it is, and so does what was canceled or has a code of elsewhere', () => {
  const failure = new Failure('no-model', 'There is none.');
  assert.equal(inReadersLanguage(failure), failure);
  setBundle(german);
  const canceled = new Cancelled();
  assert.equal(inReadersLanguage(canceled), canceled);
  const other = new Failure('of-elsewhere', 'What it says.');
  assert.equal(inReadersLanguage(other), other);
});
