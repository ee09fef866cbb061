/**
 * Makes questions.json anew: questions by forms, and in passages of this repository's source and of texts that mta-base was
 * not trained on and that anyone may copy (public domain, CC0).
 *
 *   node --import tsx test/evaluation/makeQuestions.ts FILE.jsonl... [--model DIR]
 *
 * A line of such a file is {"id", "source", "licence", "text"}. A question is kept if the text before its line lowers the
 * surprisal of its token by at least a bit: only then does the model use anything of that text.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Engine } from '../../src/inference/engine';
import { tokenAt, tokenOffsets } from '../../src/tokenization/offsets';
import { root } from '../fixtures/paths';
import { Random } from '../random';
import { passageOf, type SourceText, sentencePerLine, wrapped } from './passages';
import { type Question, questionsFile } from './questions';
import { type Draft, draftOf, formsOf, type Split } from './templates';

const seed = 20261130;
const [leastTokens, mostTokens] = [128, 400];
const leastGainBits = 1;
/** Of each split: written by forms, in code, in prose. */
const counts: Readonly<Record<Split, Readonly<Record<'forms' | 'code' | 'prose', number>>>> = {
  choosing: { forms: 32, code: 16, prose: 16 },
  held: { forms: 96, code: 52, prose: 52 },
};
const freeLicenses = ['public domain', 'public domain or CC0-1.0', 'CC0-1.0', 'US public domain, CC0-1.0'];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { model: { type: 'string' } },
  });
  const modelDirectory = values.model ?? join(root, 'models', 'bundled', 'mta-base');
  const engine = await Engine.load({ modelDirectory, provider: 'cpu', nThreads: 1 }, () => {});
  const sources = [...repositoryCode(), ...positionals.flatMap(proseOf)];
  const random = new Random(seed);
  const questions: Question[] = [];
  for (const split of ['choosing', 'held'] as const) {
    const forms = Object.entries(formsOf[split]);
    const draw = async (n: number, next: (i: number) => Draft | null) => {
      const start = questions.length;
      for (let tries = 0; questions.length < start + n; tries++) {
        if (tries > 400 * n) throw new Error(`${questions.length - start} of ${n} questions found in ${tries} tries`);
        const draft = next(questions.length - start);
        const found = draft && (await questionOf(engine, draft, split));
        if (!found || questions.some(({ text }) => text === found.text)) continue;
        questions.push(found);
        if (questions.length % 10 === 0) console.log(`${questions.length} questions`);
      }
    };
    await draw(counts[split].forms, i => draftOf(...forms[i % forms.length]!, random));
    for (const kind of ['code', 'prose'] as const) {
      const own = sources.filter(source => source.kind === kind && splitOf(source.name) === split);
      await draw(counts[split][kind], () => passageOf(random.pick(own), random));
    }
  }
  await engine.release();
  writeFileSync(questionsFile, `[\n${questions.map(question => JSON.stringify(question)).join(',\n')}\n]\n`);
}

/** The draft with its gain; null unless it is long enough and depends on what stands before its line. */
async function questionOf(engine: Engine, draft: Draft, split: Split): Promise<Question | null> {
  const { text, at } = draft;
  const { ids, byteLengths } = engine.encode(text);
  if (ids.length < leastTokens || ids.length > mostTokens) return null;
  const token = tokenAt(tokenOffsets(text, byteLengths), at);
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const line = text.slice(lineStart);
  const alone = engine.encode(line);
  const tokenAlone = tokenAt(tokenOffsets(line, alone.byteLengths), at - lineStart);
  // Cut otherwise, the two are not the same question.
  if (token < 2 || token + 1 >= ids.length || alone.ids[tokenAlone] !== ids[token]) return null;
  const before = (await engine.score(alone.ids)).bits[tokenAlone]!;
  const after = (await engine.score(ids)).bits[token]!;
  const gainBits = before - after;
  return gainBits >= leastGainBits ? { split, ...draft, gainBits: Number(gainBits.toFixed(3)) } : null;
}

/** TypeScript and Python of this repository. */
function repositoryCode(): SourceText[] {
  const names = execFileSync('git', ['ls-files', 'src/**.ts', 'webview/**.ts', 'models/**.py'], {
    cwd: root,
    encoding: 'utf8',
  });
  return names
    .split('\n')
    .filter(name => name && !name.includes('pb2'))
    .map(name => ({ kind: 'code', name, text: readFileSync(join(root, name), 'utf8') }));
}

function proseOf(file: string): SourceText[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line)
    .map(line => JSON.parse(line) as { id: string; source: string; licence: string; text: string })
    .filter(({ licence }) => freeLicenses.includes(licence))
    .map(({ id, text }, i) => ({
      kind: 'prose',
      name: id,
      text: i % 2 ? sentencePerLine(text) : wrapped(text, 88),
    }));
}

/** One of four files is for choosing heads. */
function splitOf(name: string): Split {
  let hash = 0;
  for (const character of name) hash = (Math.imul(hash, 31) + character.codePointAt(0)!) | 0;
  return (hash >>> 8) % 4 === 0 ? 'choosing' : 'held';
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
