/** Characters whose bytes several tokens share are spelled whole, wherever the prompt ends. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { continueIds } from '../../../../src/inference/experiments/continueIds';
import type { ContinuedToken } from '../../../../src/shared/interventions';

/** One token for each byte; 256 ends a text. */
const endTokenId = 256;
const emoji = [...new TextEncoder().encode('😀')];

async function write(firstIds: readonly number[], come: readonly number[], nTokens = come.length) {
  const prompts: number[][] = [];
  const speller = {
    experiments: {
      async *generate(ids: Int32Array) {
        prompts.push([...ids]);
        for (const id of come) {
          yield { id, probability: 0.5, topIds: Int32Array.of(id, 65), topProbabilities: Float32Array.of(0.5, 0.25) };
        }
      },
    },
    label: (id: number) => `<${id}>`,
    bytesOf: (id: number) => (id === endTokenId ? new Uint8Array(0) : Uint8Array.of(id)),
    endTokenId,
  };
  const heard: ContinuedToken[] = [];
  const options = { nTokens, temperature: 0, topP: 1, seed: 0, topK: 2, firstIds };
  const continued = await continueIds(speller, [1, 2], options, token => heard.push(token));
  assert.deepEqual(heard, continued.tokens);
  return { ...continued, prompts, parts: heard.map(({ text }) => text) };
}

test('an emoji is whole wherever its bytes are cut: between first ids and what comes, and between tokens', async () => {
  for (let cut = 0; cut <= emoji.length; cut++) {
    const { text, prompts, parts, ended } = await write(emoji.slice(0, cut), [...emoji.slice(cut), 33]);
    assert.equal(text, '😀!', `cut after ${cut}`);
    assert.deepEqual(prompts, [[1, 2, ...emoji.slice(0, cut)]]);
    assert.equal(parts.at(-1), '!');
    assert.equal(parts.join(''), cut === emoji.length ? '!' : '😀!');
    assert.equal(ended, 'length');
  }
});

test('a character that is left unfinished is one U+FFFD, at the end of its text alone', async () => {
  assert.equal((await write(emoji.slice(0, 2), [emoji[2]!])).text, '\ufffd');
  assert.equal((await write(emoji.slice(0, 2), [])).text, '\ufffd');
  const ended = await write(emoji.slice(0, 1), [emoji[1]!, endTokenId], 9);
  assert.deepEqual([ended.text, ended.ended, ended.tokens.length], ['\ufffd', 'end-token', 2]);
});

test('each token has its probability and the likeliest ones by name; a byte order mark is a character', async () => {
  const { tokens, text } = await write([], [0xef, 0xbb, 0xbf, 65]);
  assert.equal(text, '\ufeffA');
  assert.deepEqual(tokens[3], {
    id: 65,
    text: 'A',
    probability: 0.5,
    top: [
      { id: 65, text: '<65>', probability: 0.5 },
      { id: 65, text: '<65>', probability: 0.25 },
    ],
  });
});
