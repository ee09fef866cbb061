/** Document text inside Markdown. Pure. */

/** Any text as inline code of a Markdown table: nothing in it is read as markup, blanks show as in the panel. */
export function codeSpan(text: string): string {
  const visible = text
    .replace(/\r\n|\r|\n/g, '⏎')
    .replace(/\t/g, '⇥')
    .replace(/ /g, '␣')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
    .replaceAll('|', '\\|');
  const longest = Math.max(0, ...(visible.match(/`+/g) ?? []).map(run => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence} ${visible} ${fence}`;
}
