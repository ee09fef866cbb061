/** The formats that a map can be exported in, and what of it is exported how. */

import type { Rect } from '../address';
import type { PictureStyle } from '../colorScale';

export const exportFormats = ['npz', 'csv', 'json', 'html', 'png', 'svg'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** What the panel exports of the current map. Formats that hold whole maps only pass over the part: see `choiceFor`. */
export interface ExportChoice extends PictureStyle {
  /** Null: all of the map. */
  readonly part: Rect | null;
  /** All stages of the head side by side, in place of the current one. */
  readonly isAllStages: boolean;
}
