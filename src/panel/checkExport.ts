/** Checks what a webview wants to take along. Pure. */

import { isColorMap } from '../shared/colorScale';
import { type ExportFormat, exportFormats } from '../shared/panel/exportFormats';
import type { PictureStyle } from '../shared/panel/panelMessages';

/** @throws RangeError for what is no format or style. */
export function checkExport<T extends PictureStyle & { readonly format?: ExportFormat }>(args: T): T {
  if (args?.format !== undefined && !exportFormats.includes(args.format)) throw new RangeError('format is unknown');
  if (!isColorMap(args?.colorMap)) throw new RangeError('colorMap is unknown');
  return { ...args, leavesOutFirst: args.leavesOutFirst === true };
}

export function checkPicture(args: PictureStyle & { readonly partIdx: number }): PictureStyle & { partIdx: number } {
  const { colorMap, leavesOutFirst } = checkExport(args);
  const { partIdx } = args;
  if (!(Number.isSafeInteger(partIdx) && partIdx >= 0)) throw new RangeError('partIdx is no index');
  return { partIdx, colorMap, leavesOutFirst };
}
