/** What both renderers have in common. */

import type { Rect } from '../../src/shared/address';
import type { Rgb } from '../../src/shared/colorScale';
import type { LevelGrid } from './levels';
import type { Viewport } from './viewport';

export interface MapColors {
  /** 256 RGBA entries; see bakeColors. */
  readonly table: Uint8Array;
  readonly background: Rgb;
  /** Lines of the hatching over masked cells. */
  readonly hatch: Rgb;
}

export interface Renderer {
  readonly kind: 'webgl2' | 'canvas2d';
  setColors(colors: MapColors): void;
  /** The grids of the shown map; the renderer keeps them and draws exact cells where they have arrived. */
  setGrids(overview: LevelGrid | null, exact: LevelGrid | null): void;
  /** The exact grid changed inside `rect`. */
  updateExact(rect: Rect): void;
  /** @param viewport in device pixels. */
  draw(nTokens: number, viewport: Viewport): void;
}

/** Distance of the hatching's lines and their width, in device pixels along the axis. */
export const hatch = { period: 8, width: 1 };
