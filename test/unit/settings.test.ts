/** Settings by their ids of today and of earlier versions. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/vscode';
import { contributes } from '../../package.json';
import german from '../../package.nls.de.json' with { type: 'json' };
import english from '../../package.nls.json' with { type: 'json' };
import { formerSettings, keysPerTokenSetting } from '../../src/contributionIds';
import { followSettings, readSettings, type Settings } from '../../src/contributions';
import { editor } from '../fixtures/vscode';

/** A value that is not the default, and another. */
const values: Readonly<Record<string, readonly [keyof Settings, unknown, unknown]>> = {
  'mtaInspector.backend': ['provider', 'webgpu', 'cpu'],
  'mtaInspector.inference.threads': ['threads', 3, 2],
  'mtaInspector.inference.memoryBudgetMb': ['memoryBudgetMb', 4000, 2000],
  'mtaInspector.inference.quantizedWeights': ['quantizedWeights', 'float32', 'packed'],
  'mtaInspector.range.maxTokens': ['maxTokens', 256, 64],
  'mtaInspector.range.followsCursor': ['windowFollowsCursor', false, true],
  'mtaInspector.inspect.onEdit': ['analyzeOnEdit', false, true],
};
const properties: Record<string, object> = Object.assign(
  {},
  ...contributes.configuration.map(group => group.properties),
);
const textOf = (texts: Record<string, string>, id: string) => {
  const { deprecationMessage } = properties[id] as { deprecationMessage: string };
  return texts[deprecationMessage.slice(1, -1)]!;
};
const read = (settings: Record<string, unknown>) => {
  editor.settings = settings;
  return readSettings();
};

test('an id of an earlier version counts where only that one is set, and its message names the new id', () => {
  assert.deepEqual(Object.keys(values).sort(), Object.keys(formerSettings).sort());
  const defaults = read({});
  for (const [id, [field, value, other]] of Object.entries(values)) {
    const former = formerSettings[id as keyof typeof formerSettings]!;
    assert.notEqual(defaults[field], value, id);
    assert.deepEqual(read({ [former]: value }), { ...defaults, [field]: value }, former);
    assert.deepEqual(read({ [id]: value }), { ...defaults, [field]: value }, id);
    assert.equal(read({ [former]: value, [id]: other })[field], other, id);
    // A value that is not allowed is a value: the default stands in for it, not the former id.
    assert.equal(read({ [former]: value, [id]: {} })[field], defaults[field], id);
    for (const texts of [english, german]) assert.ok(textOf(texts, former).includes(id), former);
  }
  editor.settings = {};
});

test('the one setting without a new id is deprecated and still read', () => {
  assert.equal(read({ [keysPerTokenSetting]: 40 }).topK, 40);
  assert.equal(read({}).topK, 16);
  for (const texts of [english, german]) assert.match(textOf(texts, keysPerTokenSetting), /\w{6}/);
});

test('every deprecated setting is one of those, with the type and range of the one that follows it', () => {
  const deprecated = Object.keys(properties).filter(id => 'deprecationMessage' in properties[id]!);
  assert.deepEqual(deprecated.sort(), [...Object.values(formerSettings), keysPerTokenSetting].sort());
  const schemaOf = (id: string) =>
    Object.entries(properties[id]!).filter(([key]) => !/description|deprecation|order/i.test(key));
  for (const [id, former] of Object.entries(formerSettings)) assert.deepEqual(schemaOf(former), schemaOf(id), id);
});

test('followed settings are read again only after one has changed, and always once nobody follows them', () => {
  const change = (value: number) => Object.assign(editor.settings, { 'mtaInspector.highlight.count': value });
  change(5);
  const following = followSettings();
  assert.equal(readSettings().highlightCount, 5);
  change(6);
  assert.equal(readSettings().highlightCount, 5);
  editor.events.changeConfiguration.fire({ affectsConfiguration: () => false });
  assert.equal(readSettings().highlightCount, 6);
  following.dispose();
  change(7);
  assert.equal(readSettings().highlightCount, 7);
});
