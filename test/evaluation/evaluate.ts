/**
 * How well each relevance method agrees with what the lines do, on the questions of questions.json:
 *
 *   npm run evaluate:relevance [-- --keep FILE --part I/N --known --write --model DIR]
 *
 * --keep FILE holds what was measured, and a run that was cut goes on there. --part 0/2 and 1/2 measure half of the questions
 * each, for two processes with one file; --known makes the tables of what is there. --write puts them into docs/relevance.md.
 */

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Engine } from '../../src/inference/engine';
import { root } from '../fixtures/paths';
import { keep, kept } from './kept';
import { Events, type Measured, measure } from './measure';
import { readQuestions } from './questions';
import { report } from './report';
import type { Split } from './templates';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ...({ keep: { type: 'string' }, model: { type: 'string' }, part: { type: 'string' } } as const),
      ...({ write: { type: 'boolean' }, known: { type: 'boolean' } } as const),
    },
  });
  const done = values.keep === undefined ? [] : kept(values.keep);
  const [part = 0, nParts = 1] = values.part?.split('/').map(Number) ?? [];
  const events = new Events();
  const modelDirectory = values.model ?? join(root, 'models', 'bundled', 'mta-base');
  const engine = await Engine.load({ modelDirectory, provider: 'cpu', nThreads: 1 }, events.listen);
  const all: Record<Split, Measured[]> = { choosing: [], held: [] };
  for (const split of ['choosing', 'held'] as const) {
    const questions = readQuestions(split);
    for (const [i, question] of questions.entries()) {
      if (i % nParts !== part) continue;
      const known = done.find(({ question: { text, at } }) => text === question.text && at === question.at);
      if (values.known && !known) continue;
      const measured = known ?? (await measure(engine, events, question));
      if (!known && values.keep !== undefined) keep(values.keep, measured);
      all[split].push(measured);
      if (process.stderr.isTTY || i % 20 === 19) process.stderr.write(`${split}: ${i + 1} of ${questions.length}\n`);
    }
  }
  const { nHeads } = engine.model;
  await engine.release();
  if (nParts === 1) report(all, nHeads, values.write === true);
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
