/** Continuing a text in the editor: asked how, written into an untitled document, never into the file. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { commands } from '../../../src/contributionIds';
import { type ContinueText, registerContinueText, samplingOf } from '../../../src/editor/continueCommand';
import { Cancelled } from '../../../src/shared/tools/failure';
import { settle } from '../../fixtures/fakeClient';
import { editor, Selection } from '../../fixtures/vscode';

type Call = { readonly text: Parameters<ContinueText>[0]; readonly options: Parameters<ContinueText>[1] };

/** @param selected offsets. */
function open([start, end]: readonly [number, number], answer?: ContinueText, hasChatTemplate = false) {
  const calls: Call[] = [];
  const failed: unknown[] = [];
  const document = editor.open('one two\nthree', 'a.py');
  const shown = editor.show(document);
  shown.selection = new Selection(document.positionAt(start), document.positionAt(end)) as never;
  const continueText: ContinueText = async (text, options, cancellation) => {
    calls.push({ text, options });
    if (answer) return answer(text, options, cancellation);
    const top = [7, 8].map((id, i) => ({ id, text: ` <${id}>`, probability: 0.5 - i / 4 }));
    const token = { id: 7, text: '!', probability: 0.5, top };
    options.onToken?.(token);
    return {
      text: options.firstIds?.length ? ` <${options.firstIds}>!` : '!',
      prompt: typeof text === 'string' ? null : `[${text.map(({ content }) => content).join('|')}] `,
      nPromptTokens: 1,
      ended: 'length',
      tokens: [token],
    };
  };
  const registered = registerContinueText(
    continueText,
    async () => hasChatTemplate,
    run => run().catch(error => void failed.push(error)),
  );
  const run = async () => {
    await editor.commands.get(commands.continueText)!();
    await settle();
    registered.dispose();
    return (editor.active as unknown as { document: { getText(): string; isUntitled: boolean } }).document;
  };
  return { document, calls, failed, run };
}

const choose = (n: number) => {
  editor.answers.pick = items => items[n];
};

test('the text up to the cursor and what follows it are in an untitled document; the file stays as it is', async () => {
  const { document, calls, failed, run } = open([7, 7]);
  editor.answers.input = '3';
  choose(0);
  const untitled = await run();
  assert.deepEqual(failed, []);
  const { onToken: _, ...options } = calls[0]!.options;
  assert.deepEqual(
    [calls.length, calls[0]!.text, options],
    [1, 'one two', { nTokens: 3, temperature: 0, topP: 1, seed: 0 }],
  );
  assert.deepEqual([untitled.getText(), untitled.isUntitled], ['one two!', true]);
  assert.equal(document.getText(), 'one two\nthree');
});

test('what if it had been this: the text goes on after what is written in place of the selection', async () => {
  const { calls, run } = open([4, 7]);
  editor.answers.input = ({ value }) => (value === 'two' ? 'four' : value === '40' ? ' 2 ' : '1.5 0.5 9');
  choose(2);
  assert.equal((await run()).getText(), 'one four!');
  const { onToken: _, ...options } = calls[0]!.options;
  assert.deepEqual(options, { nTokens: 2, temperature: 1.5, topP: 0.5, seed: 9 });
});

test('a model with a chat template answers the text as a message, after a system message if any', async () => {
  for (const [system, expected] of [
    ['Be brief.', '[Be brief.|one two] !'],
    ['  ', '[one two] !'],
  ] as const) {
    const { calls, run } = open([7, 7], undefined, true);
    editor.answers.input = ({ value }) => (value === '40' ? '3' : system);
    editor.answers.pick = items => items.find(({ label }) => /message|each time/.test(label));
    assert.equal((await run()).getText(), expected);
    assert.deepEqual((calls[0]!.text as readonly object[]).at(-1), { role: 'user', content: 'one two' });
  }
  const plain = open([7, 7], undefined, true);
  editor.answers.input = '3';
  editor.answers.pick = items => items[0];
  assert.equal((await plain.run()).getText(), 'one two!');
});

test('alternatives: a tree of the likeliest tokens, whose branches are opened, continued and inspected', async () => {
  const run = async (...choices: readonly RegExp[]) => {
    const left = [...choices];
    const lists: string[][] = [];
    const { calls, failed, run, document } = open([10, 10]);
    editor.answers.input = '2';
    editor.answers.pick = items => {
      if (items.some(({ label }) => label === 'Alternatives at this place')) return items[3];
      lists.push(items.map(({ label, description }) => `${label} (${description})`));
      const wanted = left.shift();
      return items.find(({ label }) => wanted?.test(label));
    };
    editor.executed.length = 0;
    const shown = await run();
    assert.deepEqual(failed, []);
    const asked = calls.map(({ options: { nTokens, firstIds } }) => [nTokens, firstIds]);
    return {
      text: shown === (document as never) ? null : shown.getText(),
      lists,
      asked,
      executed: [...editor.executed],
    };
  };
  const before = 'one two\nth';
  const opened = await run(/<8>/, /<7>/, /Open this branch/);
  assert.deepEqual(opened.lists[0], ['␣<7> (50%)', '␣<8> (25%)']);
  assert.deepEqual(opened.lists[1], [
    'Open this branch (␣<8>)',
    'Continue this branch by 2 tokens (␣<8>)',
    'Inspect this branch (␣<8>)',
    '␣<7> (50%)',
    '▸ ␣<8> (25%)',
    '│ ␣<7> (50%, 12.5% together)',
    '│ ␣<8> (25%, 6.25% together)',
  ]);
  // "<7>" of the first level is a branch of its own; what was asked once is not asked again.
  assert.equal(opened.lists[2]![0], 'Open this branch (␣<7>)');
  assert.equal(opened.lists[2]!.length, 3 + 6);
  assert.equal(opened.text, `${before} <7>`);
  assert.deepEqual(opened.asked, [
    [1, []],
    [1, [8]],
    [1, [7]],
    [1, [7]],
  ]);
  const continued = await run(/<8>/, /^│ ␣<7>/, /Continue this branch/);
  assert.equal(continued.text, `${before} <8,7>!`);
  assert.deepEqual(continued.asked.at(-1), [2, [8, 7]]);
  assert.deepEqual(continued.executed, []);
  const inspected = await run(/<7>/, /Inspect this branch/);
  assert.equal(inspected.text, `${before} <7>`);
  assert.deepEqual(inspected.executed, [[commands.inspectDocument]]);
  assert.equal((await run(/<7>/)).text, null, 'left without a choice');
});

test('wrong numbers are named where they are typed', async () => {
  const { run } = open([7, 7]);
  const problems: unknown[] = [];
  editor.answers.input = ({ validateInput }) => {
    for (const text of ['0', '-1', '1e3', '2.5', 'x', '99999', '12']) problems.push(validateInput!(text));
    return undefined;
  };
  await run();
  const texts = await Promise.all(problems as Promise<string | undefined>[]);
  assert.match(String(texts[0]), /"0" is not a whole number from 1 to 2048\./);
  assert.deepEqual(
    texts.map(text => text === undefined),
    [false, false, false, false, false, false, true],
  );
  for (const bad of ['', '1', '1 1', '-1 1 1', '101 1 1', '1 2 1', '1 1 0.5', '1 1 4294967296', 'a b c', '1 1 1 1']) {
    assert.equal(samplingOf(bad), undefined, bad);
  }
  assert.deepEqual(samplingOf(' 0  0 0 '), { temperature: 0, topP: 0, seed: 0 });
});

test('canceled: what came is kept; before anything came nothing opens; a failure is reported', async () => {
  const canceled: ContinueText = async (_, { onToken }, cancellation) => {
    onToken?.({ id: 1, text: ' so', probability: 1, top: [] });
    (cancellation as { isCancellationRequested: boolean }).isCancellationRequested = true;
    throw new Cancelled();
  };
  const kept = open([3, 3], canceled);
  editor.answers.input = '3';
  choose(0);
  assert.equal((await kept.run()).getText(), 'one so');
  const none = open([3, 3], async (_, __, cancellation) => {
    (cancellation as { isCancellationRequested: boolean }).isCancellationRequested = true;
    throw new Cancelled();
  });
  assert.equal(await none.run(), none.document as never);
  const broken = open([3, 3], async () => {
    throw new Error('view-only');
  });
  await broken.run();
  assert.match(String(broken.failed), /view-only/);
});
