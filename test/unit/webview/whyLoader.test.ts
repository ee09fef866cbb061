import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TokenAnswer } from '../../../src/shared/panel/answer';
import { Cancelled, Failure } from '../../../src/shared/tools/failure';
import { WhyLoader } from '../../../webview/whyLoader';
import type { Question } from '../../../webview/whyQuestion';

const question: Question = {
  ...{ analysisId: 1, row: 20, target: 'actual', tokenIdx: 21, range: { first: 21, end: 22 }, isSuggested: false },
};
const line = (lineIdx: number) => ({
  ...{ lineIdx, text: 'x', value: 9 - lineIdx, strongestIdx: 0, tokens: { first: lineIdx * 2, end: lineIdx * 2 + 2 } },
});
const answer = {
  ...{ measure: 'logit', note: '', target: { id: 5, text: 'w' }, parts: null, ownLine: 0, outside: 0 },
  ...{ heads: [], frozen: [], lines: [0, 1, 2, 3, 4, 5].map(line) },
} as TokenAnswer;

function open() {
  const requests: { name: string; args: never; signal: AbortSignal }[] = [];
  const state = { hold: false, failure: null as Error | null };
  const request = async (name: string, args: never, signal: AbortSignal) => {
    requests.push({ name, args, signal });
    if (name === 'answer') return answer;
    if (state.failure) throw state.failure;
    if (state.hold) {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Cancelled())));
    }
    return { lostBits: 1, topLabel: 'y', topProbability: 0.5 };
  };
  const loader = new WhyLoader({ request } as never, () => {});
  const of = (name: string) => requests.filter(request => request.name === name);
  return { loader, of, state };
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !holds(); i++) await sleep(5);
  assert.ok(holds());
}

test('an answer, then the three largest lines hidden one by one, and more when asked', async () => {
  const { loader, of } = open();
  loader.ask(question);
  assert.equal(loader.isWaiting, true);
  await until(() => loader.effects.size === 3 && !loader.isHiding);
  assert.equal(loader.isWaiting, false);
  assert.deepEqual(of('hide')[1]?.args, { analysisId: 1, row: 20, targetId: 5, keys: { first: 2, end: 4 } });
  loader.hideMore();
  await until(() => loader.effects.size === 6 && !loader.isHiding);
  assert.equal(of('hide').length, 6, 'none is hidden twice');
});

test('another question ends the hiding of the one before', async () => {
  const { loader, of, state } = open();
  state.hold = true;
  loader.ask(question);
  await until(() => of('hide').length === 1);
  state.hold = false;
  loader.ask({ ...question, row: 18 });
  assert.equal(of('hide')[0]?.signal.aborted, true);
  await until(() => loader.effects.size === 3);
});

test('hiding is cancelled by itself, and goes on when asked', async () => {
  const { loader, of, state } = open();
  state.hold = true;
  loader.ask(question);
  await until(() => of('hide').length === 1);
  loader.cancelHiding();
  assert.deepEqual([loader.isHiding, loader.answer], [false, answer]);
  state.hold = false;
  loader.hideMore();
  await until(() => loader.effects.size === 6);
});

test('why lines cannot be hidden is kept beside the answer', async () => {
  const { loader, state } = open();
  state.failure = new Failure('remote', 'no edges there');
  loader.ask(question);
  await until(() => loader.hideFailure !== '');
  assert.deepEqual([loader.hideFailure, loader.answer, loader.isHiding], ['no edges there', answer, false]);
});

test('what nothing predicts is not asked', () => {
  const { loader, of } = open();
  loader.ask({ ...question, row: -1 });
  assert.deepEqual([of('answer').length, loader.isWaiting], [0, false]);
});
