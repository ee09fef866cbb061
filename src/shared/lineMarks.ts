/** The lines of a text as marks along a map: which token begins each, and the name that it declares. Pure. */

import { linesOfLabels } from './places';

export interface LineMark {
  /** The first token that starts in the line. */
  readonly tokenIdx: number;
  /** From 1. */
  readonly line: number;
  /** What the line declares, or the title that it is; empty for others. */
  readonly symbol: string;
}

/** @param labels of the tokens. @param firstLine of the range, from 1. */
export function lineMarks(labels: readonly string[], firstLine: number): LineMark[] {
  const lines = linesOfLabels(labels, firstLine);
  const marks: LineMark[] = [];
  // Token 0 may be the begin token, which is in no line.
  for (let idx = labels[0] === '' ? 1 : 0; idx < labels.length; idx++) {
    if (marks.at(-1)?.line === lines[idx]) continue;
    let end = idx;
    while (end < labels.length && lines[end] === lines[idx]) end++;
    const text = labels.slice(idx, end).join('').slice(0, longestLine);
    // A token may hold a line's end and the next one's beginning.
    const own = idx > 0 ? text : text.replace(/^\s*\n/, '');
    marks.push({ tokenIdx: idx, line: lines[idx]!, symbol: symbolOf(own) });
  }
  return marks;
}

const longestLine = 300;
const name = String.raw`([\p{L}_$][\p{L}\p{N}\p{M}_$]*)`;
const declarations = [
  /^\s*#{1,6}\s+(\S.*?)\s*#*\s*$/u, // a title in Markdown
  new RegExp(
    String.raw`^\s*(?:(?:export|default|declare|abstract|public|private|protected|static|async|pub|final|sealed|data)\s+)*(?:function\*?|class|interface|enum|struct|trait|impl|namespace|module|type|def|fn|func|fun|sub|proc)\s+${name}`,
    'u',
  ),
  new RegExp(
    String.raw`^\s*(?:(?:public|private|protected|static|async|override|readonly|get|set)\s+)*${name}\s*(?:<[^>]*>)?\([^;]*\{\s*$`,
    'u',
  ),
  new RegExp(String.raw`^(?:export\s+)?(?:const|let|var|val|static)\s+${name}`, 'u'),
];
const notNames = new Set(['if', 'for', 'while', 'switch', 'catch', 'return', 'else', 'do', 'with', 'new', 'throw']);

/** What a line declares, by the looks of it: in any language that writes declarations with a word before the name. */
export function symbolOf(text: string): string {
  for (const declaration of declarations) {
    const found = declaration.exec(text)?.[1];
    if (found && !notNames.has(found)) return found;
  }
  return '';
}

/** A mark that has a place on an axis. */
export interface PlacedMark extends LineMark {
  /** Start of the line's first token, in CSS pixels along the axis. */
  readonly at: number;
}

/**
 * The marks that fit on an axis: those that declare something first, then others, none nearer to the next than `spacing`.
 * @param length of the axis and `origin` of token 0 on it, in CSS pixels.
 */
export function fittingMarks(
  marks: readonly LineMark[],
  origin: number,
  cellSize: number,
  length: number,
  spacing: number,
): PlacedMark[] {
  const placed = marks
    .map(mark => ({ ...mark, at: origin + mark.tokenIdx * cellSize }))
    .filter(({ at }) => at >= 0 && at <= length);
  const chosen: PlacedMark[] = [];
  for (const isWanted of [(mark: LineMark) => mark.symbol !== '', () => true]) {
    for (const mark of placed) {
      if (isWanted(mark) && chosen.every(other => Math.abs(other.at - mark.at) >= spacing)) chosen.push(mark);
    }
  }
  return chosen.sort((a, b) => a.at - b.at);
}
