import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { colors, commands, contextKeys, settings, tools, views } from '../../src/contributionIds';
import { root } from '../fixtures/paths';

const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'));
const manifest = read('package.json');
const { contributes } = manifest;
const sorted = (items: Iterable<string>) => [...items].sort();

test('every id of the code is in package.json, and the other way round', () => {
  const ids = (list: { id: string }[]) => list.map(({ id }) => id);
  assert.deepEqual(
    sorted(contributes.commands.map((c: { command: string }) => c.command)),
    sorted(Object.values(commands)),
  );
  assert.deepEqual(
    sorted(contributes.languageModelTools.map((tool: { name: string }) => tool.name)),
    sorted(Object.values(tools)),
  );
  assert.deepEqual(sorted(Object.keys(contributes.configuration.properties)), sorted(settings));
  assert.deepEqual(ids(contributes.views[views.container]), [views.attention]);
  assert.deepEqual(ids(contributes.viewsContainers.activitybar), [views.container]);
  // Else nobody fills the editor-sized panel after a reload while the side panel is closed.
  assert.ok(manifest.activationEvents.includes(`onWebviewPanel:${views.attentionEditor}`));
  assert.deepEqual(
    sorted(ids(contributes.colors)),
    sorted([...colors.positive, ...colors.negative, ...colors.map, colors.selected, colors.window]),
  );
});

test('menus name known commands and context keys', () => {
  const entries = Object.values(contributes.menus).flat() as { command: string; when?: string }[];
  for (const { command, when = '' } of entries) {
    assert.ok((Object.values(commands) as string[]).includes(command), command);
    for (const key of when.match(/mtaInspector\.\w+/g) ?? []) {
      assert.ok([...Object.values(contextKeys), views.attention].includes(key as never), key);
    }
  }
});

test('every placeholder has its text and every text its placeholder', () => {
  const used =
    JSON.stringify(manifest)
      .match(/"%([\w.]+)%"/g)
      ?.map(text => text.slice(2, -2)) ?? [];
  assert.deepEqual(sorted(new Set(used)), sorted(Object.keys(read('package.nls.json'))));
});

test('settings have defaults of their type, and those that name paths are restricted', () => {
  const properties = contributes.configuration.properties as Record<string, { type: string; default: unknown }>;
  for (const [id, { type, default: value }] of Object.entries(properties)) {
    assert.equal(typeof value, type === 'integer' ? 'number' : type, id);
  }
  const restricted: string[] = manifest.capabilities.untrustedWorkspaces.restrictedConfigurations;
  // Free text may name a path or an address; a provider may name native code to load.
  for (const [id, { type }] of Object.entries(properties)) {
    if (type === 'string') assert.ok(restricted.includes(id), id);
  }
  assert.equal(manifest.capabilities.virtualWorkspaces, true);
  // A workspace must not send documents, or the token, anywhere: not even a trusted one sets the server.
  const remote = settings.filter(id => id.startsWith('mtaInspector.remote.'));
  assert.ok(remote.length > 0);
  for (const id of remote) {
    assert.ok(restricted.includes(id), id);
    assert.equal(contributes.configuration.properties[id].scope, 'machine', id);
  }
});
