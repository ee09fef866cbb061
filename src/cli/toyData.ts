/** The paper's toy task: find the only block that holds both query letters (arXiv 2504.00927, section 4.1). */

export interface ToySample {
  /** Blocks joined by ".", then "#", then the query letters. */
  readonly src: string;
  readonly tgt: string;
  /** BOS, source, target, EOS. */
  readonly tokens: readonly number[];
  /** Which block is the target; -1 where the generator cut it off. */
  readonly targetIndex: number;
}

export const toyTokens = { dot: 26, hash: 27, begin: 29, end: 30 } as const;

export function encodeToy(text: string): number[] {
  return Array.from(text, letter => {
    if (letter === '.') return toyTokens.dot;
    if (letter === '#') return toyTokens.hash;
    return letter.charCodeAt(0) - 97;
  });
}

/** Checks tokens and the uniqueness of every answer. @returns what is wrong, or '' */
export function checkToyData(json: Readonly<Record<string, unknown>>): string {
  const samples = json['samples'] as readonly ToySample[] | undefined;
  if (!samples?.length) return 'there are no samples';
  for (const [i, sample] of samples.entries()) {
    const expected = [toyTokens.begin, ...encodeToy(sample.src + sample.tgt), toyTokens.end];
    if (expected.join() !== sample.tokens.join()) return `sample ${i}: tokens do not spell source and target`;
    const [blocks = '', query = ''] = sample.src.split('#');
    const matching = blocks.split('.').flatMap((block, b) => ([...query].every(c => block.includes(c)) ? [b] : []));
    const answers = sample.targetIndex < 0 ? [] : [sample.targetIndex];
    if (matching.join() !== answers.join()) return `sample ${i}: blocks ${matching} hold the query, not ${answers}`;
  }
  return '';
}
