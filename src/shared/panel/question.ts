/** A question put to a document. Pure. */

/** The text with a question as its last line, as the model gets it; offsets of the text stay as they are. */
export function withQuestion(text: string, question: string): string {
  return text + questionSuffix(text, question);
}

/** What `withQuestion` puts behind a text, of which only the end is looked at. */
export function questionSuffix(
  text: { readonly length: number; slice(start: number, end: number): string },
  question: string,
): string {
  const last = text.slice(Math.max(0, text.length - 1), text.length);
  return last === '' || last === '\r' || last === '\n' ? question : `\n${question}`;
}
