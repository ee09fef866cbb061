/** What tokenizing costs: how the time grows with the text, and how much text a second of processor time takes. */

import { benchLines, growth, median } from '../../src/cli/benchLines';
import { Tokenizer } from '../../src/tokenization/tokenizer';
import { pipelines } from '../fixtures/tokenizerPipelines';

/** Characters of text. */
const [short, long] = [50_000, 400_000];
/** Above 1: a text of twice the length takes more than twice as long. */
const growthLimit = 1.15;
/** Milliseconds for 16 kB, the text of a long window. */
const windowLimitMs = 50;

const line = 'The café’s keeper — naïve, 42 years old — said: "No window looks out on the sea."\n';

function milliseconds(tokenizer: Tokenizer, text: string): number {
  const times = [0, 1, 2].map(() => {
    const start = process.cpuUsage();
    tokenizer.locate(text);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  });
  return median(times);
}

const { lines, add } = benchLines(text => console.log(text));
for (const name of ['gpt2', 'llama2', 'gemma', 't5', 'albert', 'bert']) {
  const tokenizer = new Tokenizer(pipelines[name]!.tokenizer as never, name);
  const textOf = (length: number) => line.repeat(Math.ceil(length / line.length)).slice(0, length);
  tokenizer.locate(textOf(short)); // compiled before it is timed
  const times = new Map([short, long].map(length => [length, milliseconds(tokenizer, textOf(length))]));
  add(`tokenizing by ${name}, growth`, growth(times, short)!.value, 'exponent', growthLimit, 'limit');
  const window = milliseconds(tokenizer, textOf(16_000));
  add(`tokenizing 16 kB by ${name}`, window, 'ms of processor time', windowLimitMs, 'limit');
}
console.log(JSON.stringify(lines));
