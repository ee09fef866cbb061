// The attention view as tests see it.
import type { Frame, Page } from 'playwright-core';
import type { Workbench } from './workbench';

export const inspect = 'MTA Inspector: Inspect Document';
/** The status bar's text once the last layer is there. */
export const done = /MTA: (CPU|WebGPU)$/;

export async function inspectFile(workbench: Workbench, name: string): Promise<void> {
  await workbench.openFile(name);
  await workbench.runCommand(inspect);
}

/** The view's frame, once the map shows exact values. */
export async function panelOf(workbench: Workbench): Promise<Frame> {
  const frame = await workbench.webviewFrame('MTA Inspector');
  await frame.locator('canvas[data-source="tiles"]').waitFor();
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
