/** Document text inside Markdown. Pure. */

/** Longest text shown, in UTF-16 units; a token of a strange vocabulary may be a megabyte. */
const maxLength = 200;

/** Any text as inline code, outside of tables: nothing in it is read as markup, blanks show as in the panel. */
export function codeSpan(text: string): string {
  const short = text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
  const visible = short
    .replace(/\r\n|\r|\n/g, '⏎')
    .replace(/\t/g, '⇥')
    .replace(/ /g, '␣')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\ufffd');
  const longest = Math.max(0, ...(visible.match(/`+/g) ?? []).map(run => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence} ${visible} ${fence}`;
}
