import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { Unanswered } from '../../../webview/unanswered';
import { Random } from '../../random';

const state = (selectedToken: number | null, analysisId = 1) => ({ analysisId, selectedToken }) as PanelState;
const select = (selectedToken: number) => (panel: PanelState) => ({ ...panel, selectedToken });

/** A promise and its ends. */
function open() {
  let resolve!: (value?: unknown) => void;
  let reject!: (reason: Error) => void;
  const promise = new Promise((done, failed) => ([resolve, reject] = [done, failed]));
  return { promise, resolve, reject };
}

function panel() {
  const shown: PanelState[] = [];
  return { shown, last: () => shown.at(-1)?.selectedToken, unanswered: new Unanswered(next => shown.push(next)) };
}

const turn = () => new Promise(setImmediate);

test('a state from before a choice does not take it back; one after its answer counts', async () => {
  const { unanswered, last } = panel();
  unanswered.receive(state(null));
  const [first, second] = [open(), open()];
  unanswered.choose(select(1), first.promise);
  unanswered.choose(select(2), second.promise);
  unanswered.receive(state(1));
  first.resolve();
  await turn();
  assert.equal(last(), 2);
  unanswered.receive(state(2));
  second.resolve();
  await turn();
  unanswered.receive(state(7));
  assert.equal(last(), 7);
});

test('a refused choice goes, what the host has told since stays', async () => {
  const { unanswered, last } = panel();
  unanswered.receive(state(5));
  const refused = open();
  unanswered.choose(select(900), refused.promise);
  assert.equal(last(), 900);
  unanswered.receiveChange(told => ({ ...told, layersDone: 3 }));
  refused.reject(new Error('no such token'));
  await turn();
  assert.equal(last(), 5);
});

test('a choice means nothing to another run', () => {
  const { unanswered, last } = panel();
  unanswered.receive(state(null, 1));
  unanswered.choose(select(300), open().promise);
  unanswered.receive(state(4, 2));
  assert.equal(last(), 4);
});

test('however late the host is, every step builds on the one before', async () => {
  const random = new Random(17);
  for (let round = 0; round < 200; round++) {
    const { unanswered, last } = panel();
    unanswered.receive(state(0));
    const waiting: (() => void)[] = [];
    let steps = 0;
    while (steps < 10 || waiting.length > 0) {
      if (steps < 10 && (waiting.length === 0 || random.below(2) === 0)) {
        const next = last()! + 1;
        const answer = open();
        unanswered.choose(select(next), answer.promise);
        waiting.push(() => {
          unanswered.receive(state(next));
          answer.resolve();
        });
        steps += 1;
      } else {
        waiting.shift()!();
        await turn();
      }
      assert.equal(last(), steps);
    }
  }
});
