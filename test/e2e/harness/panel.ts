// The attention view as tests see it.
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Frame, Locator, Page } from 'playwright-core';
import { disappears, type Workbench } from './workbench';

export const inspect = 'MTA Inspector: Inspect Document';
/** The status bar's text once the last layer is there. */
export const done = /MTA: (CPU|WebGPU)$/;

export async function inspectFile(workbench: Workbench, name: string): Promise<void> {
  await workbench.openFile(name);
  await workbench.runCommand(inspect);
}

const pages = {
  Token: ['Context', 'Tokens'],
  Heads: ['All heads', 'Kernels', 'Map', 'Stages', 'Layer', 'Table', 'Selected row', 'Lens'],
  Experiment: [
    'Head off',
    'Kernels changed',
    'Line hidden',
    'Edges forbidden',
    'Other text or model',
    'Part of another text',
  ],
} as const;
/** Ids of views that are not their titles. */
const ids: Readonly<Record<string, string>> = {
  'All heads': 'heads',
  'Selected row': 'row',
  'Head off': 'headsoff',
  'Kernels changed': 'ablation',
  'Line hidden': 'hidden',
  'Edges forbidden': 'edges',
  'Other text or model': 'compare',
  'Part of another text': 'patch',
};
/** Every view, page by page. */
export const viewNames = Object.values(pages).flat();
export type ViewName = (typeof viewNames)[number] | 'Export';

/** Shows a view: its page, and its tab, section or menu. */
export async function showView(frame: Frame | Page, name: ViewName): Promise<void> {
  const id = ids[name] ?? name.toLowerCase();
  const page = Object.entries(pages).find(([, views]) => (views as readonly string[]).includes(name))?.[0];
  if (page) await frame.locator(`#page-tab-${page.toLowerCase()}`).click();
  // While a text is run again, or another one for the first time, neither may be there for a moment.
  const found = await frame.waitForFunction(tabOrPanel, id);
  // A region with one view has no tabs.
  if ((await found.jsonValue()) === 'panel') return;
  const control = frame.locator(`#tab-${id}`);
  if ((await control.getAttribute('aria-expanded')) !== 'true') await control.click();
}

/** Which of the two a view has on screen. Runs in the page. */
function tabOrPanel(id: string): 'tab' | 'panel' | null {
  if (document.getElementById(`tab-${id}`)?.checkVisibility()) return 'tab';
  return document.getElementById(`panel-${id}`)?.checkVisibility() ? 'panel' : null;
}

/**
 * Does what starts a run, by default inspecting the active document, and returns the view's frame once that run's last
 * layer and its map are there. Status bar and map may tell of the run before for a while, so neither alone says that this
 * one is done.
 */
export async function untilDone(workbench: Workbench, start = () => workbench.runCommand(inspect)): Promise<Frame> {
  const shown = workbench.page.frames().map(frame => frame.evaluate(shownRun, 0).catch(() => 0));
  const before = Math.max(...(await Promise.all(shown)));
  await start();
  const frame = await workbench.webviewFrame('MTA Inspector');
  await frame.waitForFunction(shownRun, before);
  await panelOf(workbench);
  await workbench.statusItem(done).waitFor();
  return frame;
}

/** The run that is done if it is newer than `before`, else 0. Runs in the page. */
function shownRun(before: number): number {
  const { run, status } = document.getElementById('app')?.dataset ?? {};
  return status === 'done' && Number(run) > before ? Number(run) : 0;
}

/** Waits until nothing in a page or frame has changed for ten pictures on end. */
export async function untilStill(place: Frame | Page): Promise<void> {
  await place.waitForFunction(
    () =>
      new Promise(resolve => {
        let nLeft = 10;
        const observer = new MutationObserver(() => {
          nLeft = 10;
        });
        observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
        const count = () => {
          nLeft -= 1;
          if (nLeft > 0) return void requestAnimationFrame(count);
          observer.disconnect();
          resolve(true);
        };
        requestAnimationFrame(count);
      }),
  );
}

/** Waits until every map of the panel has exact values and nothing is left to compute or draw. */
export async function untilDrawn(frame: Frame): Promise<void> {
  const unfinished = ['[data-source="none"]', '[data-source="overview"]', '[aria-busy="true"]'];
  const visible = unfinished.map(selector => `${selector}:visible`).join();
  await frame.locator(visible).first().waitFor({ state: 'hidden' });
  await untilStill(frame);
}

/** Waits for a notification, returns its text and takes it away, so that a later one is not mistaken for it. */
export async function takeNotification(workbench: Workbench, text: RegExp): Promise<string> {
  const message = workbench.notification(text).first();
  await message.waitFor();
  const said = (await message.textContent()) ?? '';
  await workbench.runCommand('Notifications: Clear All Notifications');
  await message.waitFor({ state: 'hidden' });
  return said;
}

/**
 * Opens a list of the extension by its command and types into it.
 * @param list known by its placeholder: the palette, which goes meanwhile, has the same fields.
 */
export async function openList(
  workbench: Workbench,
  { command, placeholder }: { readonly command: string; readonly placeholder: string },
  text = '',
): Promise<{ readonly input: Locator; readonly rows: Locator }> {
  await workbench.runCommand(`MTA Inspector: ${command}`);
  const widget = workbench.page.locator('.quick-input-widget');
  const input = widget.locator(`input.input[placeholder^="${placeholder}"]`);
  await input.fill(text);
  return { input, rows: widget.locator('.monaco-list-row') };
}

/** Measures relevance by the head that the panel shows, for tests that look its map up. */
export async function measureByShownHead(workbench: Workbench): Promise<void> {
  await workbench.runCommand('MTA Inspector: Select Relevance Method…');
  for (const label of ['One head', 'What the selection attends to']) {
    const row = workbench.page.locator('.quick-input-widget .monaco-list-row', { hasText: label });
    await row.first().click();
    await row.first().waitFor({ state: 'hidden' });
  }
}

/** The view's frame, once its map shows exact values of the run that is done. */
export async function panelOf(workbench: Workbench): Promise<Frame> {
  const frame = await workbench.webviewFrame('MTA Inspector');
  await frame.locator('#app[data-status="done"]').waitFor({ state: 'attached' });
  await showView(frame, 'Map');
  await frame.waitForFunction(() => {
    const { run } = document.getElementById('app')!.dataset;
    const map = document.querySelector<HTMLElement>('#panel-map canvas[data-source="tiles"]');
    return map?.dataset['analysisId'] === run;
  });
  return frame;
}

/** What the map's canvas says of itself. */
export async function mapOf(frame: Frame | Page) {
  const data = await frame.locator('canvas[data-source]').evaluate(canvas => ({ ...(canvas as HTMLElement).dataset }));
  const number = (name: string) => Number(data[name]);
  return {
    layer: number('layer'),
    head: number('head'),
    stage: data['stage'],
    nTokens: number('nTokens'),
    originX: number('originX'),
    originY: number('originY'),
    cellSize: number('cellSize'),
    analysisId: number('analysisId'),
  };
}

/**
 * Types a path into the dialog for files and folders that is opening, and accepts it. The dialog writes the folder of the
 * workbench into its line, over what was typed before, each time it has read one, and overlooks a click meanwhile.
 */
export async function acceptPath({ page }: Workbench, path: string, button: string): Promise<void> {
  const dialog = page.locator('.quick-input-widget');
  const input = dialog.locator('input.input');
  await page.waitForFunction(() =>
    document.querySelector<HTMLInputElement>('.quick-input-widget input.input')?.value.startsWith('/'),
  );
  do {
    for (let said = ''; said !== path; said = await input.inputValue()) {
      await input.fill(path);
      // The dialog takes a path only once it has listed the path's folder. Names with signs are drawn otherwise.
      const listed = dialog.locator('.monaco-list-row', { hasText: basename(path) }).first();
      await listed.waitFor({ timeout: 5000 }).catch(() => undefined);
      await sleep(1500);
    }
    await dialog.getByRole('button', { name: button }).click();
  } while (!(await disappears(dialog, 10_000)));
}
