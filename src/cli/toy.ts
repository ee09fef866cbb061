/** The paper's toy task: find the only block that holds both query letters (arXiv 2504.00927, section 4.1). */

import * as v from 'valibot';
import type { Engine } from '../inference/engine';
import { Failure } from '../shared/tools/failure';
import { whole } from '../shared/tools/schema';

/** The paper's samples have 319 characters; the check takes blocks times query letters. */
const maxSourceLength = 4096;

const toySampleSchema = v.object({
  /** Blocks joined by ".", then "#", then the query letters. */
  src: v.pipe(v.string(), v.maxLength(maxSourceLength)),
  tgt: v.pipe(v.string(), v.maxLength(maxSourceLength)),
  /** BOS, source, target, EOS. */
  tokens: v.array(whole()),
  /** Which block is the target; -1 where the generator cut it off. */
  targetIndex: whole(-1),
});
export type ToySample = v.InferOutput<typeof toySampleSchema>;

const toyVocabularySize = 32;
const toyTokens = { dot: 26, hash: 27, begin: 29, end: 30 } as const;

function encodeToy(text: string): number[] {
  return Array.from(text, letter => {
    if (letter === '.') return toyTokens.dot;
    if (letter === '#') return toyTokens.hash;
    return letter.charCodeAt(0) - 97;
  });
}

/** Checks tokens and the uniqueness of every answer. @returns what is wrong, or '' */
export function checkToyData(json: Readonly<Record<string, unknown>>): string {
  const list = v.safeParse(v.pipe(v.array(v.unknown()), v.minLength(1)), json['samples']);
  if (!list.success) return 'there are no samples';
  for (const [i, item] of list.output.entries()) {
    if (!v.is(toySampleSchema, item)) return `sample ${i}: it has no source, target, tokens and target index`;
    const sample = item;
    const expected = [toyTokens.begin, ...encodeToy(sample.src + sample.tgt), toyTokens.end];
    if (expected.join() !== sample.tokens.join()) return `sample ${i}: tokens do not spell source and target`;
    const [blocks = '', query = ''] = sample.src.split('#');
    const matching = blocks.split('.').flatMap((block, b) => ([...query].every(c => block.includes(c)) ? [b] : []));
    const answers = sample.targetIndex < 0 ? [] : [sample.targetIndex];
    if (matching.join() !== answers.join()) return `sample ${i}: blocks ${matching} hold the query, not ${answers}`;
  }
  return '';
}

export interface ToyTask {
  /** Letters in a block: 5 or 8 in the paper. */
  readonly blockLength: number;
  readonly queryLength: number;
  /** Which part of the block is the answer. */
  readonly answer: ToyAnswer;
}

export const toyAnswers = ['all', 'first', 'last'] as const;
type ToyAnswer = (typeof toyAnswers)[number];

/** Characters of source and whole target together. */
const sampleLength = 319;
const alphabet = 'abcdefghijklmnopqrstuvwxyz';

/** Random numbers that are the same in every language: mulberry32. `models/training/toy.py` draws the same samples. */
class ToyRandom {
  constructor(private state: number) {}

  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) * n) / 2 ** 32);
  }

  /** `count` different letters of `items`, in random order. */
  sample(items: string, count: number): string {
    const letters = [...items];
    for (let i = 0; i < count; i++) {
      const j = i + this.below(letters.length - i);
      [letters[i], letters[j]] = [letters[j]!, letters[i]!];
    }
    return letters.slice(0, count).join('');
  }
}

/** Samples as the authors' generator makes them. Those whose target is cut off at the end are left out and counted. */
export function generateToySamples(
  { blockLength, queryLength, answer }: ToyTask,
  count: number,
  seed: number,
): { samples: ToySample[]; nCut: number } {
  const random = new ToyRandom(seed);
  const width = sampleLength - blockLength - queryLength - 1;
  const nBlocks = Math.ceil(width / (blockLength + 1));
  const lastLength = Math.min(blockLength, width - (nBlocks - 1) * (blockLength + 1));
  const samples: ToySample[] = [];
  let nCut = 0;
  while (samples.length < count) {
    const target = random.sample(alphabet, blockLength);
    const query = random.sample(target, queryLength);
    const blocks: string[] = [];
    while (blocks.length < nBlocks - 1) {
      const block = random.sample(alphabet, blockLength);
      if (!blocks.includes(block) && ![...query].every(letter => block.includes(letter))) blocks.push(block);
    }
    const place = random.below(nBlocks);
    blocks.splice(place, 0, target);
    if (place === nBlocks - 1 && lastLength < blockLength) {
      nCut++;
      continue;
    }
    const src = `${blocks.join('.').slice(0, width)}#${query}`;
    const tgt = { all: target, first: target[0]!, last: target.at(-1)! }[answer];
    samples.push({ src, tgt, tokens: [toyTokens.begin, ...encodeToy(src + tgt), toyTokens.end], targetIndex: place });
  }
  return { samples, nCut };
}

export interface ToyErrors {
  readonly samples: number;
  /** Percent of samples with any wrong token, and of wrong tokens: answer and end token, given the right ones before. */
  readonly sample_error_percent: number;
  readonly token_error_percent: number;
}

/** How often a model misses. @throws Failure for a model without the task's 32 tokens */
export async function evaluateToy(
  engine: Engine,
  samples: readonly ToySample[],
  onProgress: (done: number) => void = () => {},
): Promise<ToyErrors> {
  if (engine.model.vocabSize !== toyVocabularySize) {
    throw new Failure(
      'bad-usage',
      `The model "${engine.model.name}" has ${engine.model.vocabSize} tokens; the toy task needs one with ${toyVocabularySize}. ` +
        'Pick a toy model with --model.',
    );
  }
  const sums = { samples: 0, tokens: 0, wrongSamples: 0, wrongTokens: 0 };
  for (const { tgt, tokens } of samples) {
    const { isTop1 } = await engine.score(Int32Array.from(tokens.slice(1)));
    const wrong = isTop1.subarray(-(tgt.length + 1)).reduce((count, hit) => count + (1 - hit), 0);
    sums.samples++;
    sums.tokens += tgt.length + 1;
    sums.wrongTokens += wrong;
    sums.wrongSamples += wrong > 0 ? 1 : 0;
    onProgress(sums.samples);
  }
  return {
    samples: sums.samples,
    sample_error_percent: (100 * sums.wrongSamples) / sums.samples,
    token_error_percent: (100 * sums.wrongTokens) / sums.tokens,
  };
}
