/**
 * Text that others chose (names of files, models, tensors and servers, tokens, links) made safe for the place that shows
 * it: one function per kind of place. It stays text there, and changes neither reading direction nor terminal. Pure.
 */

/** Control and format characters (terminal codes, direction marks, zero width), separators and lone surrogates. */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** VS Code cuts messages at 1000 characters; a model's name may have megabytes. */
const maxMessageLength = 2000;

/** One line for any place that reads no markup: trees, tooltips, input boxes, lines on a terminal. */
export function plainLine(text: string): string {
  return text
    .replace(/\r\n|\r|\n/g, '⏎')
    .replace(/\t/g, '⇥')
    .replace(invisible, '\ufffd');
}

/** Several lines for such a place, or for a terminal: line breaks and tabs stay. */
export function plainLines(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(invisible, found => (found === '\n' || found === '\t' ? found : '\ufffd'));
}

/** A message of VS Code (notification, progress, validation of an input): `[text](address)` would be a link there. */
export function messageText(text: string): string {
  return plainLine(shorten(text, maxMessageLength)).replaceAll('](', '] (');
}

/** A label with icons (quick pick, status bar): `$(name)` would be a picture there. */
export function labelText(text: string): string {
  return plainLine(shorten(text, maxMessageLength)).replaceAll('$(', '$ (');
}

/** An entry of the log: what follows a line break is indented, so that it cannot pass for an entry of its own. */
export function logText(text: string): string {
  return plainLines(text).replaceAll('\n', '\n    ');
}

/** Cuts a long text, not inside a surrogate pair. */
export function shorten(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  return `${text.slice(0, maxLength - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
