/** Which text of a document goes to the model. Pure. */

/** Longest text sent, in UTF-16 units: far more than any window, far less than what would hold up the process. */
export const maxTextLength = 200_000;

export interface TextSlice {
  readonly text: string;
  /** Where it starts in the document. */
  readonly start: number;
}

/**
 * The part of a long text around `anchor`, from the start of a line where one is near.
 * @param anchor UTF-16 offset in `text`.
 */
export function sliceAround(text: string, anchor: number, maxLength = maxTextLength): TextSlice {
  if (text.length <= maxLength) return { text, start: 0 };
  const ideal = Math.min(Math.max(0, anchor - Math.floor(maxLength * 0.75)), text.length - maxLength);
  const lineStart = ideal === 0 ? 0 : text.indexOf('\n', ideal - 1) + 1;
  const isNear = lineStart >= ideal && lineStart - ideal < maxLength / 4;
  const start = isNear ? lineStart : ideal;
  return { text: text.slice(start, start + maxLength), start };
}
