/** What reaches a terminal: text from outside moves no cursor, sets no title, forges no line, turns no direction. Pure. */

/** Control characters but tab and line feed, direction marks, separators that may end a line, unpaired surrogates. */
const unsafe = /(?![\t\n])\p{Cc}|[\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** Text of several lines, made of parts that were escaped or are our own. */
export function printable(text: string): string {
  return text.replace(unsafe, escaped);
}

/** A name or a line from outside, in which a line end or a tab is escaped too. */
export function oneLine(text: string): string {
  return printable(text).replace(/[\t\n]/g, character => (character === '\t' ? '\\t' : '\\n'));
}

/** JSON that reads the same and holds no character that a terminal obeys. */
export function jsonText(json: unknown, indent?: number): string {
  return printable(JSON.stringify(json, null, indent));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
