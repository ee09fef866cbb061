import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { OptimisticState } from '../../../webview/optimisticState';
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
  return { shown, last: () => shown.at(-1)?.selectedToken, choices: new OptimisticState(next => shown.push(next)) };
}

const turn = () => new Promise(setImmediate);

test('a state from before a choice does not take it back; one after its answer counts', async () => {
  const { choices, last } = panel();
  choices.receive(state(null));
  const [first, second] = [open(), open()];
  choices.choose(select(1), first.promise);
  choices.choose(select(2), second.promise);
  choices.receive(state(1));
  first.resolve();
  await turn();
  assert.equal(last(), 2);
  choices.receive(state(2));
  second.resolve();
  await turn();
  choices.receive(state(7));
  assert.equal(last(), 7);
});

test('a refused choice goes, what the host has sent since stays', async () => {
  const { choices, last } = panel();
  choices.receive(state(5));
  const refused = open();
  choices.choose(select(900), refused.promise);
  assert.equal(last(), 900);
  choices.receiveUpdate(host => ({ ...host, layersDone: 3 }));
  refused.reject(new Error('no such token'));
  await turn();
  assert.equal(last(), 5);
});

test('an update that overtakes the whole state is applied to it', () => {
  const { choices, last } = panel();
  choices.receiveUpdate(select(3));
  assert.equal(last(), undefined);
  choices.receive(state(null));
  assert.equal(last(), 3);
  choices.receive(state(5));
  assert.equal(last(), 5);
});

test('a choice means nothing to another run', () => {
  const { choices, last } = panel();
  choices.receive(state(null, 1));
  choices.choose(select(300), open().promise);
  choices.receive(state(4, 2));
  assert.equal(last(), 4);
});

test('however late the host is, every step builds on the one before', async () => {
  const random = new Random(17);
  for (let round = 0; round < 200; round++) {
    const { choices, last } = panel();
    choices.receive(state(0));
    const waiting: (() => void)[] = [];
    let steps = 0;
    while (steps < 10 || waiting.length > 0) {
      if (steps < 10 && (waiting.length === 0 || random.below(2) === 0)) {
        const next = last()! + 1;
        const answer = open();
        choices.choose(select(next), answer.promise);
        waiting.push(() => {
          choices.receive(state(next));
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
