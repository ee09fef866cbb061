/** What a person and a machine do to the extension in the soak. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, tinyModelDirectory } from '../../fixtures/paths';
import type { Random } from '../../random';
import { showView, untilDone, viewNames } from '../harness/panel';
import type { Workbench } from '../harness/workbench';
import type { LosableGpu, SmallDisk } from './faults';
import { inferencePids } from './memory';

export interface Scene {
  readonly workbench: Workbench;
  readonly random: Random;
  readonly folder: string;
  readonly disk: SmallDisk | undefined;
  readonly gpu: LosableGpu | undefined;
}

export interface Action {
  readonly name: string;
  /** How often it is chosen, compared with others. */
  readonly weight: number;
  /** Ends the inference process without its host's doing. */
  readonly crashes?: boolean;
  /** Starts the extension host or the inference process anew. */
  readonly restarts?: boolean;
  readonly needs?: 'disk' | 'gpu';
  run(scene: Scene): Promise<void>;
}

export const sample = 'inventory.ts';
export const other = 'other.md';
/** Typed into documents; must be in no log. */
export const secret = 'zyxwvut';
export const plainSettings = {
  'mtaInspector.backend': 'cpu',
  'mtaInspector.range.maxTokens': 128,
  'mtaInspector.inference.threads': 1,
};

/** Writes the folder's settings and does not wait: a run may begin with the old ones. */
export function changeSettings({ folder }: Scene, change: Readonly<Record<string, unknown>>): void {
  const path = join(folder, '.vscode', 'settings.json');
  mkdirSync(join(folder, '.vscode'), { recursive: true });
  const old = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  writeFileSync(path, JSON.stringify({ ...old, ...change }, null, 2));
}

/** Shows a document and puts the focus there, as clicks do, unless it is there. */
async function show({ workbench }: Scene, name: string): Promise<void> {
  const group = workbench.page.locator('.editor-group-container.active');
  const isShown = await group.locator(`.tab.active[data-resource-name="${name}"]`).isVisible();
  if (isShown && (await group.locator('.monaco-editor.focused').isVisible())) return;
  const tab = workbench.page.locator(`.tab[data-resource-name="${name}"]`).first();
  if (await tab.isVisible()) await tab.click();
  else await workbench.openFile(name);
  await focusEditor(workbench);
}

/** A click in the middle of what is seen of the active editor. */
async function focusEditor({ page }: Workbench): Promise<void> {
  const editor = page.locator('.editor-group-container.active .monaco-editor').first();
  await editor.waitFor();
  const box = await editor.boundingBox();
  if (box) await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
}

/** A key of its own: on a slow machine the two of the extension's binding come too far apart. */
export const keybindings = [{ key: 'f9', command: 'mtaInspector.inspectDocument', when: 'editorTextFocus' }];

const inspect = ({ workbench: { page } }: Scene) => page.keyboard.press('F9');

/** The next inspection works: that of the sample. */
export async function inspectAgain(scene: Scene): Promise<void> {
  await untilDone(scene.workbench, async () => {
    await show(scene, sample);
    await inspect(scene);
  });
}

function signal(workbench: Workbench, name: NodeJS.Signals): void {
  for (const pid of inferencePids(workbench)) process.kill(pid, name);
}

const untilShown = ({ page }: Workbench) =>
  page.locator('.monaco-workbench .statusbar-item').first().waitFor({ timeout: 120_000 });

/** Inspects until the status bar says what runs, since settings are read when their file is. */
async function inspectOn(scene: Scene, provider: RegExp): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await inspectAgain(scene);
    if (await scene.workbench.statusItem(provider).isVisible()) return;
  }
  throw new Error(`no inspection ran on ${provider}`);
}

export const actions: readonly Action[] = [
  {
    name: 'edit in mid-run, undone',
    weight: 12,
    async run(scene) {
      const { workbench, random } = scene;
      await show(scene, sample);
      await inspect(scene);
      await workbench.page.keyboard.press(random.pick(['Control+Home', 'Control+End', 'End', 'ArrowUp']));
      await workbench.page.keyboard.type(secret);
      if (random.below(2) === 0) await inspect(scene);
      for (let i = 0; i < secret.length; i++) await workbench.page.keyboard.press('Control+Z');
      for (let i = 0; i < 3; i++) await workbench.page.keyboard.press('Control+Z');
    },
  },
  {
    name: 'switch document in mid-run',
    weight: 16,
    async run(scene) {
      await inspect(scene);
      await show(scene, scene.random.pick([sample, other]));
      await inspect(scene);
    },
  },
  {
    name: 'move the cursor',
    weight: 16,
    async run(scene) {
      await show(scene, scene.random.pick([sample, other]));
      const keys = ['Control+End', 'Control+Home', 'PageDown', 'PageUp', 'ArrowDown', 'Control+ArrowRight'];
      for (let i = 0; i < 4; i++) await scene.workbench.page.keyboard.press(scene.random.pick(keys));
    },
  },
  {
    name: 'ask again before the answer',
    weight: 12,
    async run(scene) {
      await show(scene, other);
      for (let i = 0; i <= scene.random.below(6); i++) await inspect(scene);
    },
  },
  {
    name: 'cancel',
    weight: 12,
    async run(scene) {
      await show(scene, other);
      await inspect(scene);
      // It may be done before it can be cancelled.
      const running = scene.workbench.statusItem(/MTA: (loading|layer)/);
      await running.click({ timeout: 300, noWaitAfter: true }).catch(() => {});
    },
  },
  {
    name: 'show a view, whose run goes on when the next begins',
    weight: 10,
    async run({ workbench, random }) {
      const frame = await workbench.webviewFrame('MTA Inspector');
      await showView(frame, random.pick([...viewNames]));
      await new Promise(wake => setTimeout(wake, random.below(1000)));
    },
  },
  {
    name: 'continue the text, cancelled half-way or not',
    weight: 4,
    async run(scene) {
      const { workbench, random } = scene;
      const { page } = workbench;
      await show(scene, sample);
      await workbench.runCommand('MTA Inspector: Continue the Text…');
      await page.locator('.quick-input-widget input.input').waitFor();
      await page.keyboard.press('Enter');
      await page.locator('.quick-input-widget .monaco-list-row', { hasText: 'The likeliest token each time' }).click();
      const progress = workbench.notification(/Continuing the text/).first();
      const untitled = page.locator('.tab[data-resource-name^="Untitled-"]');
      await progress.or(untitled).first().waitFor();
      if (random.below(2) === 0) {
        const cancel = progress.getByRole('button', { name: 'Cancel' });
        await cancel.click({ timeout: 2000, noWaitAfter: true }).catch(() => {}); // it may be done
      }
      await progress.waitFor({ state: 'hidden' });
      await new Promise(wake => setTimeout(wake, 1000)); // a document opens when the message is gone
      if (await untitled.first().isVisible()) await workbench.runCommand('View: Revert and Close Editor');
    },
  },
  {
    name: 'restart the inference process',
    weight: 3,
    restarts: true,
    run: ({ workbench }) => workbench.runCommand('MTA Inspector: Restart Inference Process'),
  },
  {
    name: 'change the threads: the model loads again',
    weight: 6,
    restarts: true,
    async run(scene) {
      changeSettings(scene, { 'mtaInspector.inference.threads': 1 + scene.random.below(2) });
    },
  },
  {
    name: 'change the model',
    weight: 6,
    restarts: true,
    async run(scene) {
      // Not one of letters alone, which cannot read the documents.
      const models = ['', tinyModelDirectory, join(root, 'models', 'comparison', 'transformer-base')];
      changeSettings(scene, { 'mtaInspector.model': scene.random.pick(models) });
      await inspect(scene);
    },
  },
  {
    name: 'close the document while the model loads',
    weight: 5,
    restarts: true,
    async run(scene) {
      const { workbench, random } = scene;
      await show(scene, other);
      changeSettings(scene, { 'mtaInspector.inference.threads': 1 + random.below(2) });
      await inspect(scene);
      await workbench.page.locator(`.tab[data-resource-name="${other}"]`).click({ button: 'middle' });
    },
  },
  {
    name: 'kill the inference process',
    weight: 3,
    ...{ crashes: true, restarts: true },
    run: async ({ workbench }) => signal(workbench, 'SIGKILL'),
  },
  {
    name: 'kill the inference process in mid-run',
    weight: 3,
    ...{ crashes: true, restarts: true },
    async run(scene) {
      await inspect(scene);
      await new Promise(wake => setTimeout(wake, scene.random.below(200)));
      signal(scene.workbench, 'SIGKILL');
    },
  },
  {
    name: 'exhaust the memory of the inference process',
    weight: 3,
    ...{ crashes: true, restarts: true },
    async run(scene) {
      const { workbench, random } = scene;
      await show(scene, other);
      // What it has stays; of what it asks for from now on it gets a few MB.
      const pids = inferencePids(workbench);
      for (const pid of pids) limitMemory(pid, (virtualBytes(pid) ?? 0) + (random.below(32) << 20));
      await workbench.page.keyboard.press(random.pick(['Control+End', 'Control+Home']));
      await inspect(scene);
      await workbench
        .statusItem(/MTA: (failed|CPU|cancelled)/)
        .waitFor({ timeout: 20_000 })
        .catch(() => {});
      for (const pid of pids) limitMemory(pid, undefined);
    },
  },
  {
    name: 'lose the GPU between two runs',
    weight: 1,
    restarts: true,
    needs: 'gpu',
    async run(scene) {
      const { gpu } = scene;
      changeSettings(scene, { 'mtaInspector.backend': 'webgpu', 'mtaInspector.model': tinyModelDirectory });
      try {
        await inspectOn(scene, /MTA: WebGPU$/);
        gpu?.lose();
        await inspectOn(scene, /MTA: CPU$/);
      } finally {
        gpu?.bringBack();
        changeSettings(scene, { ...plainSettings, 'mtaInspector.model': '' });
      }
    },
  },
  {
    name: 'fill the disk, inspect and save there',
    weight: 2,
    needs: 'disk',
    async run(scene) {
      const { workbench, disk, folder } = scene;
      const path = join(folder, 'map.csv');
      try {
        disk?.fill();
        await inspectAgain(scene);
        const frame = await workbench.webviewFrame('MTA Inspector');
        await showView(frame, 'Export');
        await frame.getByRole('button', { name: 'Save… as CSV' }).click();
        const { page } = workbench;
        const input = page.locator('.quick-input-widget input.input');
        await page.waitForFunction(() =>
          document.querySelector<HTMLInputElement>('.quick-input-widget input.input')?.value.endsWith('.csv'),
        );
        await input.fill(path);
        await page.keyboard.press('Enter');
        await frame.getByText(/Cannot write .*map\.csv/).waitFor();
        if (existsSync(path)) throw new Error('a part of the map was left');
      } finally {
        disk?.free();
        rmSync(path, { force: true });
        await workbench.runCommand('Notifications: Clear All Notifications');
      }
    },
  },
  {
    name: 'reload the window',
    weight: 2,
    restarts: true,
    async run(scene) {
      const { workbench, random } = scene;
      if (random.below(2) === 0) await inspect(scene);
      await workbench.page.reload();
      await untilShown(workbench);
    },
  },
  {
    name: 'close the window while the model loads, and open it again',
    weight: 1,
    restarts: true,
    async run(scene) {
      const { workbench, random } = scene;
      changeSettings(scene, { 'mtaInspector.inference.threads': 1 + random.below(2) });
      await inspect(scene);
      const address = workbench.page.url();
      await workbench.page.goto('about:blank');
      await workbench.page.goto(address);
      await untilShown(workbench);
    },
  },
];

function virtualBytes(pid: number): number | undefined {
  const { stdout } = spawnSync('ps', ['-o', 'vsz=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() === '' ? undefined : 1024 * Number(stdout);
}

/** @param bytes of address space; undefined for as much as it likes. */
function limitMemory(pid: number, bytes: number | undefined): void {
  spawnSync('prlimit', ['--pid', String(pid), `--as=${bytes ?? 'unlimited'}:unlimited`]);
}
