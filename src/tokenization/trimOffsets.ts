/** Post-processors of tokenizer.json: some take the blanks off what a token covers. None changes ids without special tokens. */

import type { Part } from './part';

/**
 * Changes `starts` and `ends` in place.
 * @param tokens what each token is in the vocabulary; an added one with the blanks that it took.
 * @param text the original, to count in characters as the library does.
 */
export type Trim = (tokens: readonly string[], text: string, starts: Uint32Array, ends: Uint32Array) => void;

const types = ['Sequence', 'ByteLevel', 'RobertaProcessing', 'BertProcessing', 'TemplateProcessing'];
/** Blanks of a token, which a byte-level one writes as Ġ. */
const leading = /^[Ġ\p{White_Space}]*/u;
const trailing = /(?<![Ġ\p{White_Space}])[Ġ\p{White_Space}]*$/u;

/** @throws RangeError naming what is not supported. */
export function toTrim(part: Part): Trim | null {
  const trim = read(part);
  part.finish();
  return trim;
}

function read(part: Part): Trim | null {
  switch (part.type) {
    case 'Sequence': {
      const steps = part.parts('processors').map(toTrim);
      return (...tokens) => {
        for (const step of steps) step?.(...tokens);
      };
    }
    case 'ByteLevel':
    case 'RobertaProcessing': {
      const keepsFirst = part.flag('add_prefix_space');
      for (const name of ['cls', 'sep', 'use_regex']) part.any(name);
      return part.flag('trim_offsets') ? (...tokens) => trim(keepsFirst, ...tokens) : null;
    }
    case 'BertProcessing':
      for (const name of ['cls', 'sep']) part.any(name);
      return null;
    case 'TemplateProcessing':
      for (const name of ['single', 'pair', 'special_tokens']) part.any(name);
      return null;
    default:
      return part.refuseType(types);
  }
}

function trim(
  keepsFirst: boolean,
  tokens: readonly string[],
  text: string,
  starts: Uint32Array,
  ends: Uint32Array,
): void {
  for (const [i, token] of tokens.entries()) {
    let before = leading.exec(token)![0].length;
    let after = trailing.exec(token)![0].length;
    // One blank may have been put in before the text; of more, none was.
    if (keepsFirst && before === 1 && (i === 0 || starts[i] === 0)) before = 0;
    let [start, end] = [starts[i]!, ends[i]!];
    for (; before > 0 && start < end; before--) start += text.codePointAt(start)! > 0xffff ? 2 : 1;
    if (end >= after) {
      for (; after > 0 && end > start; after--) end -= end > 1 && text.codePointAt(end - 2)! > 0xffff ? 2 : 1;
    }
    starts[i] = start;
    ends[i] = end;
  }
}
