// `npm run pictures`: makes every picture of the walkthrough and the documentation anew, from the real workbench.
// `npm run pictures -- recording`: only the README's recording, dark and light; `-- measures`: only those of measures, `-- findings`: only
// those of docs/findings.md.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { indexedPng } from '../fixtures/indexedPng';
import { root } from '../fixtures/paths';
import { makeFindingPictures } from './findingPictures';
import { showView, untilDone, untilDrawn, untilStill, type ViewName } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';
import { makeMeasurePictures } from './measurePictures';
import { recordFinding } from './recording';

const walkthrough = join(root, 'media', 'walkthrough');
const docs = join(root, 'docs', 'pictures');
const themes = {
  dark: 'Default Dark Modern',
  light: 'Default Light Modern',
  hc: 'Default High Contrast',
  hcLight: 'Default High Contrast Light',
} as const;
/** Of the panel, in pixels, and how large its picture is of each theme. */
const widths = [
  { width: 300, height: 760, scale: 1 },
  { width: 720, height: 640, scale: 0.75 },
  { width: 1280, height: 720, scale: 0.5 },
  { width: 1920, height: 1000, scale: 0.4 },
] as const;

/** Walkthrough: the side bar beside the text, on a word that everyone understands. */
async function takeSteps(workbench: Workbench, theme: 'dark' | 'light'): Promise<void> {
  const { page } = workbench;
  const save = (name: string) => (png: Buffer) =>
    writeFileSync(join(walkthrough, `${name}-${theme}.png`), indexedPng(png));
  await workbench.runCommand('MTA Inspector: Take the Tour');
  const frame = await workbench.webviewFrame('MTA Inspector');
  const tour = frame.getByRole('region', { name: 'Tour' });
  for (let step = 1; step <= 5; step++) {
    await tour.getByText(`${step} of 5`).waitFor();
    if (step === 1) await frame.locator('.why[data-status="done"]').waitFor();
    await untilDrawn(frame);
    if (step === 3) save('tour')(await shot(workbench));
    await tour.getByRole('button', { name: step === 5 ? 'Done' : 'Next' }).click();
  }
  await frame.locator('#page-tab-token').click();
  await untilDrawn(frame);
  save('inspect')(await shot(workbench));
  await showView(frame, 'Map');
  await untilDrawn(frame);
  save('read')(await shot(workbench));
  await showView(frame, 'Context');
  await frame.locator('#panel-context').scrollIntoViewIfNeeded();
  await untilDrawn(frame);
  save('context')(await shot(workbench));
  await page.locator('.pane-header', { hasText: 'Models' }).click();
  await page.locator('.pane', { hasText: 'Models' }).getByText('mta-base').first().waitFor();
  save('models')(await shot(workbench));
  await page.locator('.pane-header', { hasText: 'Models' }).click();
}

async function shot({ page }: Workbench): Promise<Buffer> {
  await page.mouse.move(1, 400);
  await untilStill(page);
  return page.screenshot({ animations: 'disabled' });
}

/** The panel in the editor, at each width, and pages that the guide shows. */
async function takePanel(
  workbench: Workbench,
  theme: keyof typeof themes,
  sheets: Map<number, Buffer[]>,
): Promise<void> {
  const { page } = workbench;
  const panel = await workbench.webviewFrame('MTA Inspector: Attention');
  const own = page.locator('.editor-group-container.active .editor-container').first();
  const place = async () => (await own.boundingBox())!;
  const pictureOf = async () => {
    await page.mouse.move(1, 1);
    await untilDrawn(panel);
    return page.screenshot({ animations: 'disabled', clip: await place() });
  };
  for (const { width, height } of widths) {
    await page.setViewportSize({ width: width + 48, height: height + 60 });
    await showView(panel, width < 720 ? 'Context' : 'Map');
    if (width < 720) await panel.locator('#page-tab-token').click();
    sheets.set(width, [...(sheets.get(width) ?? []), await pictureOf()]);
  }
  if (theme !== 'light') return;
  await page.setViewportSize({ width: 1048, height: 720 });
  for (const [name, file] of [
    ['Stages', 'stages'],
    ['Kernels', 'kernels'],
    ['Head off', 'experiment'],
    ['Table', 'table'],
    ['Export', 'export'],
  ] as const satisfies readonly (readonly [ViewName, string])[]) {
    await showView(panel, name);
    if (name === 'Head off') {
      await panel.getByRole('button', { name: /^Turn Off L\d+H\d+$/ }).click();
      await panel.locator('.result[data-status="done"]').waitFor();
      await panel.locator('.result .verdict').waitFor();
    }
    writeFileSync(join(docs, `${file}.png`), indexedPng(await pictureOf()));
  }
  await panel.locator('.menu-close:visible').last().click();
}

/** One width in four themes, side by side or two by two, as one picture. */
async function sheetOf(workbench: Workbench, pictures: readonly Buffer[], scale: number): Promise<Buffer> {
  const page = await workbench.page.context().browser()!.newPage();
  const images = pictures.map(
    png => `<img src="data:image/png;base64,${png.toString('base64')}" style="zoom:${scale}">`,
  );
  const columns = scale === 1 ? 4 : 2;
  await page.setContent(
    `<body style="margin:0"><div id="all" style="display:grid;gap:8px;padding:8px;background:#888;width:max-content;grid-template-columns:repeat(${columns},max-content)">${images.join('')}</div>`,
  );
  await page
    .locator('img')
    .last()
    .evaluate(image => (image as HTMLImageElement).decode());
  const sheet = await page.locator('#all').screenshot();
  await page.close();
  return sheet;
}

async function main(): Promise<void> {
  execFileSync(process.execPath, [join(root, 'scripts', 'package.mjs')], { stdio: 'inherit' });
  if (process.argv[2] === 'measures') return makeMeasurePictures();
  if (process.argv[2] === 'findings') return makeFindingPictures();
  const isRecordingOnly = process.argv[2] === 'recording';
  for (const folder of isRecordingOnly ? [] : [walkthrough, docs]) {
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) if (name.endsWith('.png')) rmSync(join(folder, name));
  }
  if (!isRecordingOnly) {
    makeMeasurePictures();
    await makeFindingPictures();
  }
  const folder = mkdtempSync(join(tmpdir(), 'mta-pictures-'));
  cpSync(join(root, 'samples'), folder, { recursive: true });
  const settings = {
    'editor.minimap.enabled': false,
    'workbench.activityBar.location': 'default',
    'editor.fontSize': 13,
    'editor.cursorBlinking': 'solid',
    'editor.wordWrap': 'on',
    'workbench.colorTheme': themes.dark,
  };
  const workbench = await startWorkbench({ folder, settings });
  const { page } = workbench;
  try {
    await page.setViewportSize({ width: 960, height: 600 });
    for (const theme of ['dark', 'light'] as const) {
      await workbench.changeSettings({ 'workbench.colorTheme': themes[theme] });
      writeFileSync(join(docs, `finding-${theme}.png`), await recordFinding(workbench));
      if (!isRecordingOnly) await takeSteps(workbench, theme);
    }
    if (isRecordingOnly) return;
    await workbench.runCommand('View: Close All Editors');
    await workbench.openFile('inventory.ts');
    const text = readFileSync(join(folder, 'inventory.ts'), 'utf8');
    await untilDone(workbench);
    await workbench.goTo({ offset: text.indexOf('toOrder(least') + 2 });
    await workbench.runCommand('MTA Inspector: Open Attention Panel in Editor');
    await workbench.runCommand('View: Close Primary Side Bar');
    await workbench.runCommand('View: Toggle Maximize Editor Group');
    const sheets = new Map<number, Buffer[]>();
    for (const theme of Object.keys(themes) as (keyof typeof themes)[]) {
      await workbench.changeSettings({ 'workbench.colorTheme': themes[theme] });
      await takePanel(workbench, theme, sheets);
    }
    for (const { width, scale } of widths) {
      writeFileSync(join(docs, `width-${width}.png`), indexedPng(await sheetOf(workbench, sheets.get(width)!, scale)));
    }
  } catch (error) {
    await workbench.screenshot('pictures-failed');
    throw error;
  } finally {
    await workbench.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
