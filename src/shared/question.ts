/** A question put to a document. Pure. */

/** The text with a question as its last line, as the model gets it; offsets of the text stay as they are. */
export function withQuestion(text: string, question: string): string {
  const separator = text === '' || /[\r\n]$/.test(text) ? '' : '\n';
  return `${text}${separator}${question}`;
}
