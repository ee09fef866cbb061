/** Mouse, wheel and keyboard on the map, turned into what the reader means by them. */

export interface MapGestures {
  /** The pointer is over this point of the canvas; null once it has left. */
  hover(point: { readonly x: number; readonly y: number } | null): void;
  click(x: number, y: number): void;
  pan(dx: number, dy: number): void;
  /** @returns whether there was something left to zoom. */
  zoom(factor: number, x?: number, y?: number): boolean;
  fit(): void;
  /** Moves the cell in focus; starts one where there is none. */
  step(queries: number, keys: number): void;
  /** Selects the row of the cell in focus. */
  select(): void;
  clear(): void;
}

const dragThresholdPx = 4;
const keyZoom = 1.5;

export function listenToMap(canvas: HTMLElement, gestures: MapGestures): void {
  let last: { x: number; y: number } | null = null;
  let isDragging = false;
  /** Fingers on the map, and how far apart two of them were. */
  const fingers = new Map<number, { x: number; y: number }>();
  let spread = 0;
  canvas.addEventListener('pointerdown', event => {
    if (event.button !== 0) return;
    if (event.pointerType === 'touch') fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (fingers.size > 1) {
      // Two fingers zoom: what the first one began is no click.
      last = null;
      spread = spreadOf(fingers);
      canvas.setPointerCapture(event.pointerId);
      return;
    }
    last = { x: event.clientX, y: event.clientY };
    isDragging = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (fingers.size > 1) {
      const now = spreadOf(fingers);
      const { x, y } = middleOf(fingers);
      if (now > 0 && spread > 0) gestures.zoom(now / spread, x, y);
      spread = now;
      return;
    }
    if (!last) return gestures.hover({ x: event.offsetX, y: event.offsetY });
    const dx = event.clientX - last.x;
    const dy = event.clientY - last.y;
    if (!isDragging && Math.hypot(dx, dy) < dragThresholdPx) return;
    isDragging = true;
    last = { x: event.clientX, y: event.clientY };
    gestures.hover(null);
    gestures.pan(dx, dy);
  });
  canvas.addEventListener('pointerup', event => {
    fingers.delete(event.pointerId);
    if (last && !isDragging) gestures.click(event.offsetX, event.offsetY);
    last = null;
  });
  canvas.addEventListener('pointercancel', event => {
    fingers.delete(event.pointerId);
    last = null;
  });
  canvas.addEventListener('pointerleave', () => gestures.hover(null));
  canvas.addEventListener('dblclick', () => gestures.fit());
  canvas.addEventListener(
    'wheel',
    event => {
      // The wheel alone scrolls the page. A pinch on a touchpad comes with the control key, too.
      if (!event.ctrlKey && !event.metaKey) return;
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 16 : event.deltaY;
      event.preventDefault(); // else the whole window zooms
      gestures.zoom(Math.exp(-pixels * (Math.abs(pixels) < 30 ? 0.01 : 0.0025)), event.offsetX, event.offsetY);
    },
    { passive: false },
  );
  canvas.addEventListener('keydown', event => {
    if (event.altKey || event.metaKey || event.ctrlKey) return;
    if (handleKey(event, gestures)) event.preventDefault();
  });
}

type Points = ReadonlyMap<number, { readonly x: number; readonly y: number }>;

/** How far the first two of some points are apart. */
function spreadOf(points: Points): number {
  const [a, b] = [...points.values()];
  return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
}

function middleOf(points: Points): { readonly x: number; readonly y: number } {
  const [a, b] = [...points.values()];
  return { x: (a!.x + b!.x) / 2, y: (a!.y + b!.y) / 2 };
}

/** @returns whether the key means something on the map. */
function handleKey(event: KeyboardEvent, gestures: MapGestures): boolean {
  const step = event.shiftKey ? 10 : 1;
  switch (event.key) {
    case 'ArrowUp':
      gestures.step(-step, 0);
      return true;
    case 'ArrowDown':
      gestures.step(step, 0);
      return true;
    case 'ArrowLeft':
      gestures.step(0, -step);
      return true;
    case 'ArrowRight':
      gestures.step(0, step);
      return true;
    case '+':
    case '=':
      gestures.zoom(keyZoom);
      return true;
    case '-':
      gestures.zoom(1 / keyZoom);
      return true;
    case '0':
      gestures.fit();
      return true;
    case 'Enter':
    case ' ':
      gestures.select();
      return true;
    case 'Escape':
      gestures.clear();
      return true;
    default:
      return false;
  }
}
