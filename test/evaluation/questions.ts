/** The questions of questions.json, and where they lie. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../fixtures/paths';
import type { Draft, Split } from './templates';

export interface Question extends Draft {
  readonly split: Split;
  /** By how much the text before its line lowers the surprisal of the token at `at`, when the questions were made. */
  readonly gainBits: number;
}

export const questionsFile = join(root, 'test', 'evaluation', 'questions.json');

export function readQuestions(split: Split): Question[] {
  const all = JSON.parse(readFileSync(questionsFile, 'utf8')) as Question[];
  const own = all.filter(question => question.split === split);
  // A stride that is prime to their number: any part of them is of all forms.
  return own.map((_, i) => own[(i * 37) % own.length]!);
}
