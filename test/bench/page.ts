/** What the benchmark runs inside the browser: the panel on made-up maps, and a bare textured quad beside it. */

import { startApp } from '../../webview/app';
import { buildProgram } from '../../webview/heatmap/shaders';
import { registerControls } from '../../webview/toolkit';
import { SyntheticHost } from './syntheticHost';
import '../../webview/style.css';

const nTokens = 2048;
const nFrames = 120;

const frame = () => new Promise<number>(resolve => requestAnimationFrame(resolve));
const percentile95 = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)]!;
/** The canvas that is driven: of the map, or of all heads of a layer. */
const canvasOnShow = () =>
  [...document.querySelectorAll<HTMLCanvasElement>('canvas[data-source], canvas[data-heads]')].find(
    ({ clientWidth }) => clientWidth > 0,
  )!;

/** 95th percentile of the time between frames while `step` changes something before each of them, in ms. */
async function frameTimes(step: (i: number) => void): Promise<number> {
  const times: number[] = [];
  let last = await frame();
  for (let i = 0; i < nFrames; i++) {
    step(i);
    const now = await frame();
    if (i >= 10) times.push(now - last);
    last = now;
  }
  return percentile95(times);
}

const bench = {
  host: new SyntheticHost(nTokens),

  async start(): Promise<void> {
    registerControls();
    await startApp(document.getElementById('app')!, bench.host.asPanelHost());
    while (canvasOnShow()?.dataset['source'] === undefined) await frame();
  },

  /** Starts with all heads of a layer on show, in ms until each of them is drawn. The host makes its maps up meanwhile. */
  async firstPicture(length: number): Promise<number> {
    const start = performance.now();
    registerControls();
    await startApp(document.getElementById('app')!, new SyntheticHost(length, 'layer').asPanelHost());
    do await frame();
    while (canvasOnShow()?.dataset['overviews'] !== 'all');
    return performance.now() - start;
  },

  /** Opens all heads of a layer and waits until each of them is drawn. */
  async openLayer(): Promise<void> {
    document.getElementById('tab-layer')!.click();
    do await frame();
    while (canvasOnShow()?.dataset['overviews'] !== 'all');
  },

  async openMap(): Promise<void> {
    document.getElementById('tab-map')!.click();
    do await frame();
    while (canvasOnShow()?.dataset['source'] === undefined);
  },

  /** Zooms in and out and pans, with exact values on screen where the panel has them. */
  async map(): Promise<number> {
    const canvas = canvasOnShow();
    const { width, height } = canvas.getBoundingClientRect();
    const at = { offsetX: width / 2, offsetY: height / 2 };
    const wheel = (deltaY: number) => {
      const event = new WheelEvent('wheel', { deltaY, ctrlKey: true, cancelable: true, bubbles: true });
      Object.defineProperties(event, { offsetX: { value: at.offsetX }, offsetY: { value: at.offsetY } });
      canvas.dispatchEvent(event);
    };
    const pointer = (type: string, x: number, y: number) =>
      canvas.dispatchEvent(new PointerEvent(type, { button: 0, clientX: x, clientY: y, pointerId: 1, bubbles: true }));
    canvas.setPointerCapture = () => {};
    const box = canvas.getBoundingClientRect();
    return frameTimes(i => {
      if (i % 60 < 20) wheel(-60);
      else if (i % 60 < 40) {
        if (i % 60 === 20) pointer('pointerdown', box.x + 200, box.y + 200);
        pointer('pointermove', box.x + 200 + (i % 20) * 7, box.y + 200 - (i % 20) * 5);
        if (i % 60 === 39) pointer('pointerup', box.x + 200, box.y + 200);
      } else wheel(60);
    });
  },

  /** A quad with an RGBA texture of a map's size on a canvas as large as the one that is driven, moved before every frame. */
  async quad(): Promise<number> {
    const map = canvasOnShow();
    const { width, height } = map.getBoundingClientRect();
    const canvas = document.createElement('canvas');
    canvas.width = map.width;
    canvas.height = map.height;
    canvas.style.cssText = `position:fixed;inset:0 auto auto 0;width:${width}px;height:${height}px;z-index:9`;
    document.body.append(canvas);
    const draw = texturedQuad(canvas, nTokens);
    const time = await frameTimes(i => draw(1 + (i % 60) / 20, (i % 40) / 40));
    canvas.remove();
    return time;
  },

  /** 95th percentile from a pointer event to the frame that shows the tooltip of its cell, in ms. */
  async hover(): Promise<number> {
    const canvas = canvasOnShow();
    const { width, height } = canvas.getBoundingClientRect();
    const tooltip = document.querySelector<HTMLElement>('.tooltip')!;
    const times: number[] = [];
    for (let i = 0; i < 100; i++) {
      const said = tooltip.textContent;
      const event = new PointerEvent('pointermove', { bubbles: true });
      const x = ((i * 37) % 97) / 97;
      Object.defineProperties(event, {
        offsetX: { value: x * width * 0.9 },
        offsetY: { value: height * 0.95 - (i % 9) },
      });
      const start = performance.now();
      canvas.dispatchEvent(event);
      do await frame();
      while (tooltip.hidden || tooltip.textContent === said);
      times.push(performance.now() - start);
    }
    return percentile95(times);
  },

  /** Random selections, as the cursor in the document makes them; each is drawn. */
  async select(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      bench.host.select(Math.floor(Math.random() * nTokens));
      if (i % 10 === 9) await frame();
    }
    for (let i = 0; i < 20; i++) await frame();
  },

  /** Looks at every head of a layer, as a reader does who goes through them. */
  async everyHead(): Promise<void> {
    for (let headIdx = 0; headIdx < 8; headIdx++) {
      const dropdown = document.querySelector<HTMLElement & { value: string }>('[data-picker="head"]')!;
      dropdown.value = String(headIdx);
      dropdown.dispatchEvent(new Event('change'));
      for (let i = 0; i < 30; i++) await frame();
    }
  },
};

export type Bench = typeof bench;
Object.assign(globalThis, { bench });

function texturedQuad(canvas: HTMLCanvasElement, size: number): (zoom: number, shift: number) => void {
  const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, preserveDrawingBuffer: true })!;
  const program = buildProgram(
    gl,
    `#version 300 es
    precision highp float;
    uniform sampler2D image; uniform vec2 size; uniform float zoom; uniform float shift; out vec4 color;
    void main() { color = texture(image, gl_FragCoord.xy / size / zoom + shift); }`,
  );
  gl.useProgram(program);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  const pixels = new Uint8Array(size * size * 4).map((_, i) => (i * 2654435761) >>> 24);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, size, size, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  const uniform = (name: string) => gl.getUniformLocation(program, name);
  gl.uniform2f(uniform('size'), canvas.width, canvas.height);
  const [zoomAt, shiftAt] = [uniform('zoom'), uniform('shift')];
  return (zoom, shift) => {
    gl.uniform1f(zoomAt, zoom);
    gl.uniform1f(shiftAt, shift);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  };
}
