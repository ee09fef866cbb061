/** JSON as Python writes it, which may hold `Infinity`, `-Infinity` and `NaN`. */

/** A text, or one of the three numbers, as long as it is no part of a text. */
const textOrNumber = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/** @returns infinities as such, NaN as the text "NaN". @throws SyntaxError */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/Infinity|NaN/.test(text)) throw error;
    const written: Readonly<Record<string, string>> = { Infinity: '1e999', '-Infinity': '-1e999', NaN: '"NaN"' };
    return JSON.parse(text.replace(textOrNumber, found => written[found] ?? found));
  }
}
