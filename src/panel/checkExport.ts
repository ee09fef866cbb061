/** Checks what a webview wants to take along. Pure. */

import { isColorMap } from '../shared/colorScale';
import { type ExportFormat, exportFormats } from '../shared/exportFormats';
import type { PictureStyle } from '../shared/panelMessages';

/** @throws RangeError for what is no format or style. */
export function checkExport<T extends PictureStyle & { readonly format?: ExportFormat }>(args: T): T {
  if (args?.format !== undefined && !exportFormats.includes(args.format)) throw new RangeError('format is unknown');
  if (!isColorMap(args?.colorMap)) throw new RangeError('colorMap is unknown');
  return { ...args, leavesOutFirst: args.leavesOutFirst === true };
}
