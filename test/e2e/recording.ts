// The README's recording: one finding in eight seconds, from a real workbench, with a pointer as the reader would move it.
import type { Locator } from 'playwright-core';
import { type AnimationFrame, animatedPng } from '../fixtures/indexedPng';
import { showView, untilDone, untilDrawn, untilStill } from './harness/panel';
import type { Workbench } from './harness/workbench';

const lengthMs = 8000;
const moveMs = 80;
const clickMs = 150;
const nMoves = 3;

class Recorder {
  private readonly frames: AnimationFrame[] = [];
  private place = { x: 620, y: 470 };

  constructor(private readonly workbench: Workbench) {}

  /** Draws the pointer over everything; screenshots have none. */
  async begin(): Promise<void> {
    await this.workbench.page.evaluate(() => {
      const pointer = document.createElement('div');
      pointer.id = 'recorded-pointer';
      Object.assign(pointer.style, {
        position: 'fixed',
        zIndex: '1000000',
        pointerEvents: 'none',
        left: '0',
        top: '0',
      });
      const picture = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      for (const [name, value] of Object.entries({ width: '36', height: '36', viewBox: '-14 -14 36 36' }))
        picture.setAttribute(name, value);
      const ring = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
      for (const [name, value] of Object.entries({ r: '11', fill: '#ffb00088', visibility: 'hidden' }))
        ring.setAttribute(name, value);
      const arrow = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      arrow.setAttribute('d', 'M0 0 L0 16 L4 12.5 L6.5 18 L9 17 L6.5 11.5 L12 11.5 Z');
      arrow.setAttribute('fill', '#fff');
      arrow.setAttribute('stroke', '#000');
      picture.append(ring, arrow);
      pointer.append(picture);
      document.body.append(pointer);
    });
  }

  /** What is on screen, for a while. */
  async hold(durationMs: number, isPressed = false): Promise<void> {
    const { page } = this.workbench;
    await page.evaluate(
      ({ x, y, isPressed }) => {
        const pointer = document.getElementById('recorded-pointer')!;
        pointer.style.transform = `translate(${x - 14}px, ${y - 14}px)`;
        pointer.querySelector('circle')!.setAttribute('visibility', isPressed ? 'visible' : 'hidden');
      },
      { ...this.place, isPressed },
    );
    this.frames.push({ screenshot: await page.screenshot({ animations: 'disabled' }), durationMs });
  }

  /** Moves the pointer to the middle of a part of the page, or a bit right of its left edge, and clicks there. */
  async click(target: Locator): Promise<void> {
    await target.scrollIntoViewIfNeeded();
    const box = (await target.boundingBox())!;
    await this.clickAt({ x: box.x + Math.min(40, box.width / 2), y: box.y + box.height / 2 });
  }

  async clickAt(to: { x: number; y: number }): Promise<void> {
    const from = this.place;
    for (let step = 1; step <= nMoves; step++) {
      const way = step / nMoves;
      this.place = { x: from.x + way * (to.x - from.x), y: from.y + way * (to.y - from.y) };
      await this.hold(moveMs);
    }
    await this.hold(clickMs, true);
    await this.workbench.page.mouse.click(to.x, to.y);
    // Away from what it would hover; the drawn one stays.
    await this.workbench.page.mouse.move(1, 400);
  }

  /** The last picture takes what is left of the time. */
  async end(): Promise<Buffer> {
    const leftMs = lengthMs - this.frames.reduce((sum, { durationMs }) => sum + durationMs, 0);
    if (leftMs < 1500) throw new RangeError(`Only ${leftMs} ms are left for the end of the recording.`);
    await this.hold(leftMs);
    await this.workbench.page.evaluate(() => document.getElementById('recorded-pointer')?.remove());
    return animatedPng(this.frames);
  }
}

/** “Margaret” → “ E”: a word, its lines, the heads, the convolution, and what becomes of it without the head. */
export async function recordFinding(workbench: Workbench): Promise<Buffer> {
  const { page } = workbench;
  await workbench.openFile('lighthouse.md');
  await workbench.goTo({ line: 20, column: 4 });
  const frame = await untilDone(workbench);
  await frame.locator('#page-tab-token').click();
  await frame.locator('.why[data-status="done"]').waitFor();
  await untilDrawn(frame);
  const recorder = new Recorder(workbench);
  await recorder.begin();
  await recorder.hold(400);
  await recorder.clickAt(await page.evaluate(middleOfLast, 'Ellery'));
  await frame.locator('.why-title', { hasText: 'Ellery' }).waitFor();
  await frame.locator('.why[data-status="done"]').waitFor();
  await frame.locator('.why-lines li[data-lost]').first().waitFor();
  await untilStill(page);
  await recorder.hold(900);
  await recorder.click(frame.locator('.why-lines li[data-line="4"] button'));
  await untilStill(page);
  await recorder.hold(800);
  await recorder.click(frame.locator('.why-heads li button').first());
  await untilDrawn(frame);
  await recorder.hold(700);
  await recorder.click(frame.locator('#tab-stages'));
  await untilDrawn(frame);
  await recorder.hold(700);
  await recorder.click(frame.locator('#page-tab-experiment'));
  await showView(frame, 'Head off');
  await untilDrawn(frame);
  await recorder.hold(300);
  await recorder.click(frame.getByRole('button', { name: /^Turn Off L\d+H\d+$/ }));
  await frame.locator('.result[data-status="done"] .verdict').waitFor();
  await untilDrawn(frame);
  return recorder.end();
}

/** Where the last of a text is drawn in the editor's visible lines. Runs in the page. */
function middleOfLast(text: string): { x: number; y: number } {
  const lines = document.querySelector('.editor-group-container.active .view-lines')!;
  const walker = document.createTreeWalker(lines, NodeFilter.SHOW_TEXT);
  let place = { x: 0, y: 0 };
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const at = node.nodeValue!.lastIndexOf(text);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + text.length);
    const { x, y, width, height } = range.getBoundingClientRect();
    // Lines stand in the order of their making, not from top to bottom.
    if (y > place.y) place = { x: x + width / 2, y: y + height / 2 };
  }
  return place;
}
