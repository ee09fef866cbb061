// `npm run tasks`: a reader's eight tasks in a real workbench, with the clicks that they take and the seconds until the answer.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Frame, Locator } from 'playwright-core';
import { root } from '../fixtures/paths';
import { startWorkbench, type Workbench } from './harness/workbench';

/** Counts clicks and the seconds from the first of them, or from the one that is said to begin. A command of the palette counts as one. */
class Reader {
  nClicks = 0;
  private start = 0;
  private readonly times: string[] = [];

  constructor(private readonly workbench: Workbench) {}

  async click(target: Locator): Promise<void> {
    this.count();
    await target.click();
  }

  async clickText(text: string, occurrence = 1): Promise<void> {
    this.count();
    await this.workbench.clickText(text, occurrence);
  }

  /** A key in place of a button. */
  async press(key: string): Promise<void> {
    this.count();
    await this.workbench.page.keyboard.press(key);
  }

  async command(title: string): Promise<void> {
    this.count();
    await this.workbench.runCommand(title);
  }

  /** Seconds count from now on. */
  begin(): void {
    this.start = performance.now();
  }

  /** Notes the seconds until now. */
  has(what: string): void {
    this.times.push(`${what} ${((performance.now() - this.start) / 1000).toFixed(1)} s`);
  }

  toString(): string {
    return `${this.nClicks} · ${this.times.join(', ')}`;
  }

  private count(): void {
    if (this.nClicks === 0) this.start = performance.now();
    this.nClicks += 1;
  }
}

interface Task {
  readonly name: string;
  /** As the review measured it, on another machine. */
  readonly before: string;
  run(reader: Reader): Promise<void>;
}

/** Title, extension, and how the review found it. */
const figures = [
  ['SVG', 'svg', '2.3 s; never the visible part'],
  ['PNG', 'png', '1.6 s; never the visible part'],
  ['HTML', 'html', '8.1 s; 3 of 12 pages, pooled values'],
] as const;

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mta-tasks-'));
  cpSync(join(root, 'test', 'fixtures', 'documents', 'inventory.ts'), join(folder, 'inventory.ts'));
  cpSync(join(root, 'node_modules', '@types', 'node', 'fs.d.ts'), join(folder, 'fs.d.ts'));
  const workbench = await startWorkbench({ folder });
  const { page } = workbench;
  let frame!: Frame;
  const answered = () => frame.locator('.why[data-status="done"]').waitFor();
  const title = (word: string) => frame.locator('.why-title', { hasText: new RegExp(`^${word} line`) }).waitFor();
  const openPage = (name: string) => frame.locator(`#page-tab-${name}`).click();
  /** From the map to a file of one kind. */
  const save = async (reader: Reader, title: string, extension: string) => {
    await reader.click(frame.locator('#tab-export'));
    await reader.click(frame.getByRole('button', { name: `Save… as ${title}` }));
    await page.waitForFunction(
      end => document.querySelector<HTMLInputElement>('.quick-input-widget input.input')?.value.endsWith(end),
      `.${extension}`,
    );
    await reader.press('Enter');
    await frame.getByText(`Saved as ${title}.`).waitFor();
    reader.has(title);
    await frame.locator('.menu-close:visible').click();
  };

  const tasks: Task[] = [
    {
      name: '1 First run',
      before: '2 · first map 1.3 s, all layers 4.7 s; no answer without clicks',
      async run(reader) {
        await reader.click(page.locator('.activitybar .action-label[aria-label^="MTA Inspector"]'));
        frame = await workbench.webviewFrame('MTA Inspector');
        await frame.getByRole('button', { name: 'Inspect Document' }).waitFor();
        reader.has('panel');
        reader.begin();
        await reader.click(frame.getByRole('button', { name: 'Inspect Document' }));
        await answered();
        reader.has('after Inspect Document: prediction, lines and heads');
        await frame.locator('.why-lines li[data-lost]').nth(2).waitFor();
        reader.has('what hiding each line does');
        await frame.getByText(/convolution of L\d+ matters most/).waitFor();
        reader.has('which heads copy, which convolution matters');
      },
    },
    {
      name: '2 Why was this word predicted?',
      before: '9 · by hand and by script',
      async run(reader) {
        await reader.clickText('quantity', 6);
        await title('quantity');
        await answered();
        reader.has('answer');
        await reader.click(frame.locator('.why-lines li button').first());
        await reader.click(frame.locator('.why-heads li button').first());
        await frame.locator('#panel-map canvas[data-source="tiles"]').waitFor();
        reader.has('line in the editor and map of the head');
      },
    },
    {
      name: '3 Which head copies names, and where?',
      before: '3 · 4 s; the places: cannot',
      async run(reader) {
        await openPage('token');
        await reader.click(frame.getByRole('button', { name: /heads continue repeated text/ }));
        await reader.click(frame.locator('.head-card[data-kind="induction"]:visible').first());
        await reader.click(frame.locator('.places li button').first());
        await page
          .locator('.editor-group-container.active .view-overlays [class*="ced-"]')
          .first()
          .waitFor({ state: 'attached' });
        reader.has('places in the editor');
      },
    },
    {
      name: '4 What does a convolution do, and does it matter?',
      before: '14 · about 10 min',
      async run(reader) {
        await frame.getByRole('combobox', { name: 'Kind', exact: true }).click();
        await frame.getByRole('option').first().click();
        await openPage('token');
        await reader.click(frame.locator('#page-tab-heads'));
        await reader.click(frame.locator('.head-card[data-layer="2"][data-head="3"]'));
        await reader.click(frame.locator('.stage-kernel').first());
        await reader.click(frame.getByRole('button', { name: 'Show what the model predicts without it' }));
        await frame.locator('.result[data-status="done"] .verdict').waitFor();
        reader.has('verdict');
        await frame.getByRole('button', { name: 'Reset' }).first().click();
        await frame.locator('[data-ablated="false"]').first().waitFor({ state: 'attached' });
      },
    },
    {
      name: '5 Which lines matter, causally?',
      before: '5 · 70 s for 31 lines',
      async run(reader) {
        await openPage('token');
        await reader.clickText('least', 2);
        await title('least');
        await frame.locator('.why-lines li[data-lost]').nth(2).waitFor();
        reader.has('the three lines that added most');
        await reader.click(frame.getByRole('button', { name: 'Hide More Lines' }));
        await frame.locator('.why-lines li[data-lost]').nth(5).waitFor();
        reader.has('six lines');
      },
    },
    {
      name: '6 What did my edit change?',
      before: '3 · 3.2 s; no difference, no predictions',
      async run(reader) {
        await workbench.goTo({ line: 29, column: 20 });
        await page.locator('.editor-group-container.active .monaco-editor.focused').first().waitFor();
        await page.keyboard.type('5');
        await frame
          .getByText(/inventory\.ts: 37[1-9] tokens/)
          .first()
          .waitFor();
        await frame.locator('#app[data-status="done"]').waitFor({ state: 'attached' });
        await reader.command('MTA Inspector: Compare With…');
        await reader.click(page.locator('.quick-input-list').getByText('The saved file', { exact: true }));
        await frame.locator('.result[data-status="done"] .verdict').waitFor();
        reader.has('verdict, changes, difference');
        await workbench.runCommand('File: Save');
      },
    },
    {
      name: '7 A file of 4,375 lines',
      before: '1 · 4.6 s (3,420 lines); whole document 6 min',
      async run(reader) {
        await workbench.openFile('fs.d.ts');
        await workbench.goTo({ line: 2000, column: 8 });
        await openPage('token');
        await reader.command('MTA Inspector: Inspect Document');
        await frame.locator('#app[data-status="done"]').waitFor({ state: 'attached' });
        await frame
          .getByText(/fs\.d\.ts: /)
          .first()
          .waitFor();
        await answered();
        reader.has('answer');
      },
    },
    ...figures.map(
      ([title, extension, before]): Task => ({
        name: `8 ${title}`,
        before: `3 · ${before}`,
        async run(reader) {
          await openPage('heads');
          await frame.locator('#panel-map canvas[data-source="tiles"]').waitFor();
          await save(reader, title, extension);
        },
      }),
    ),
  ];
  try {
    await page.setViewportSize({ width: 1280, height: 800 });
    await workbench.openFile('inventory.ts');
    const load = loadavg()[0]!.toFixed(1);
    console.log(`${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, load ${load} at the start\n`);
    console.log('| task | before: clicks · seconds | now: clicks · seconds |\n|---|---|---|');
    for (const { name, before, run } of tasks) {
      const reader = new Reader(workbench);
      await run(reader);
      console.log(`| ${name} | ${before} | ${reader} |`);
    }
  } catch (error) {
    await page.screenshot({ path: join(tmpdir(), 'tasks-failed.png') });
    throw error;
  } finally {
    await workbench.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
