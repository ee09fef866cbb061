/** What both renderers have in common. */

import type { Rect } from '../../src/shared/address';
import type { DeviceViewport, LevelGrid, MapColors } from './levels';

export interface Renderer {
  readonly kind: 'webgl2' | 'canvas2d';
  setColors(colors: MapColors): void;
  /** The grids of the shown map; the renderer keeps them and draws exact cells where they have arrived. */
  setGrids(overview: LevelGrid | null, exact: LevelGrid | null): void;
  /** The exact grid changed inside `rect`. */
  updateExact(rect: Rect): void;
  draw(nTokens: number, viewport: DeviceViewport): void;
}
