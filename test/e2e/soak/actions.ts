/** What a person and a machine do to the extension in the soak. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../../fixtures/paths';
import type { Random } from '../../random';
import { inspect, untilDone } from '../harness/panel';
import type { Workbench } from '../harness/workbench';

export interface Action {
  readonly name: string;
  /** Ends the inference process without its host's doing. */
  readonly crashes?: boolean;
  run(workbench: Workbench, random: Random): Promise<void>;
}

export const sample = 'inventory.ts';
/** Typed into documents; must be in no log. */
export const secret = 'zyxwvut';
const documents = [sample, 'other.md'];

/** The next inspection works: that of the sample, or of the untitled document that an action opened. */
export async function inspectAgain(workbench: Workbench): Promise<void> {
  await untilDone(workbench, async () => {
    await workbench.openFile(sample);
    await workbench.runCommand(inspect);
  });
}

const inferencePids = (workbench: Workbench) =>
  workbench
    .processes()
    .filter(({ command }) => command.includes('inference.cjs'))
    .map(({ pid }) => pid);

async function signal(workbench: Workbench, name: NodeJS.Signals): Promise<void> {
  for (const pid of inferencePids(workbench)) process.kill(pid, name);
}

export const actions: readonly Action[] = [
  {
    name: 'edit in mid-run, undone',
    async run(workbench, random) {
      await workbench.openFile(sample);
      await workbench.runCommand(inspect);
      await workbench.page.locator('.editor-group-container.active .view-lines').click();
      await workbench.goTo({ line: 1 + random.below(20), column: 1 });
      await workbench.page.keyboard.type(secret);
      await workbench.runCommand('File: Revert File');
    },
  },
  {
    name: 'switch document in mid-run',
    async run(workbench, random) {
      await workbench.runCommand(inspect);
      await workbench.openFile(random.pick(documents));
      await workbench.runCommand(inspect);
    },
  },
  {
    name: 'move the cursor',
    async run(workbench, random) {
      await workbench.goTo({ line: 1 + random.below(30), column: 1 + random.below(10) });
    },
  },
  {
    name: 'change the threads: the model loads again',
    async run(workbench, random) {
      workbench.changeSettings({ 'mtaInspector.threads': 1 + random.below(2) });
    },
  },
  {
    name: 'change the model',
    async run(workbench, random) {
      const other = join(root, 'models', 'comparison', 'transformer-base');
      workbench.changeSettings({ 'mtaInspector.model': random.pick(['', other]) });
      await workbench.runCommand(inspect);
    },
  },
  {
    name: 'cancel',
    async run(workbench) {
      await workbench.runCommand(inspect);
      const running = workbench.statusItem(/MTA: (loading|layer)/);
      // It may be done before it can be cancelled.
      await running.click({ timeout: 500 }).catch(() => {});
    },
  },
  {
    name: 'kill the inference process',
    crashes: true,
    run: workbench => signal(workbench, 'SIGKILL'),
  },
  {
    name: 'kill the inference process in mid-run',
    crashes: true,
    async run(workbench) {
      await workbench.runCommand(inspect);
      await signal(workbench, 'SIGKILL');
    },
  },
  {
    name: 'exhaust the memory of the inference process',
    crashes: true,
    async run(workbench) {
      // What it has stays; whatever it asks for from now on, it is not given.
      for (const pid of inferencePids(workbench)) spawnSync('prlimit', ['--pid', String(pid), '--as=1048576']);
      await workbench.runCommand(inspect);
      await signal(workbench, 'SIGKILL');
    },
  },
  {
    name: 'reload the window',
    async run(workbench) {
      await workbench.page.reload();
      await workbench.page.locator('.monaco-workbench .statusbar-item').first().waitFor({ timeout: 60_000 });
    },
  },
  {
    name: 'close the document while it is analysed',
    async run(workbench) {
      await workbench.openFile('other.md');
      await workbench.runCommand(inspect);
      await workbench.runCommand('View: Close Editor');
    },
  },
];
