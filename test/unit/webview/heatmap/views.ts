import { fit, pan, type Size, type Viewport, zoomAt } from '../../../../webview/heatmap/viewport';
import { Random } from '../../../random';

export interface RandomView {
  readonly view: Viewport;
  readonly nTokens: number;
  readonly canvas: Size;
  readonly random: Random;
}

/** Views as a reader reaches them: random zooms and moves from the whole map, on square and on wide canvases. */
export function* views(count: number): Generator<RandomView> {
  const random = new Random(3);
  for (let i = 0; i < count; i++) {
    const nTokens = 1 + random.below(2000);
    const canvas = i % 2 ? { width: 320, height: 320 } : { width: 100 + random.below(600), height: 320 };
    let view = fit(nTokens, canvas);
    for (let step = 0; step < 6; step++) {
      const [x, y] = [random.next() * canvas.width, random.next() * canvas.height];
      view =
        random.next() < 0.5
          ? zoomAt(view, 0.3 + 3 * random.next(), x, y, nTokens, canvas)
          : pan(view, (random.next() - 0.5) * 900, (random.next() - 0.5) * 900, nTokens, canvas);
    }
    yield { view, nTokens, canvas, random };
  }
}
