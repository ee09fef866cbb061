import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nothingInspected } from '../../../../src/analysis/panelState';
import type { PanelState, PanelUpdate, RunTokens } from '../../../../src/shared/panel/panelMessages';
import { PanelSender, withUpdate } from '../../../../src/shared/panel/panelUpdates';

/** A host and a page, which gets a copy of every message, as postMessage makes one. */
class Line {
  readonly sent: (['tokens', RunTokens] | ['state', PanelUpdate])[] = [];
  page: PanelState | null = null;
  private run: RunTokens | null = null;
  readonly sender = new PanelSender({
    tokens: tokens => {
      this.sent.push(['tokens', tokens]);
      this.run = structuredClone(tokens);
    },
    state: update => {
      this.sent.push(['state', update]);
      this.page = withUpdate(this.page!, structuredClone(update), this.run);
    },
  });

  start(state: PanelState): void {
    this.page = structuredClone(this.sender.start(state));
  }
}

const tokens = { labels: ['a', 'b'], offsets: Uint32Array.of(0, 1, 2), surprisalBits: null };
const running: PanelState = { ...nothingInspected, status: 'running', analysisId: 1, tokens };

test('a page that has not asked gets nothing; then a move of the cursor is one field', () => {
  const line = new Line();
  line.sender.send(running);
  assert.deepEqual(line.sent, []);
  line.start(running);
  const moved = { ...running, selectedToken: 1 };
  line.sender.send(moved);
  line.sender.send(moved);
  assert.deepEqual(line.sent, [['state', { selectedToken: 1 }]]);
});

test('what did not change keeps its identity on the page', () => {
  const line = new Line();
  line.start(running);
  const before = line.page!;
  line.sender.send({ ...running, selectedToken: 1 });
  for (const field of ['tokens', 'view', 'ablation', 'model'] as const) assert.equal(line.page![field], before[field]);
  const bits = Float32Array.of(1, 2);
  line.sender.send({ ...running, tokens: { ...tokens, surprisalBits: bits } });
  assert.equal(line.page!.tokens!.labels, before.tokens!.labels);
  assert.deepEqual(line.page!.tokens!.surprisalBits, bits);
});

test('the tokens of a run go once, under its id, before the state that names it', () => {
  const line = new Line();
  line.start(nothingInspected);
  line.sender.send({ ...nothingInspected, status: 'loading', analysisId: 1 });
  line.sender.send(running);
  line.sender.send({ ...running, status: 'done', tokens: { ...tokens, surprisalBits: Float32Array.of(1, 2) } });
  line.sender.send({ ...running, status: 'done', analysisId: 2, tokens });
  const names = line.sent.map(([name, { analysisId }]) => `${name} ${analysisId ?? ''}`.trim());
  assert.deepEqual(names, ['state 1', 'tokens 1', 'state', 'state', 'tokens 2', 'state 2']);
});

test('whatever the states, the page has the last one', () => {
  const texts = [['a'], ['b', 'c'], []];
  const bits = [null, Float32Array.of(1), Float32Array.of(2, 3)];
  const state = fc.record({
    isNewRun: fc.boolean(),
    text: fc.nat(3),
    bits: fc.nat(2),
    selectedToken: fc.nat(2),
    restart: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(state, { maxLength: 20 }), steps => {
      const line = new Line();
      line.start(nothingInspected);
      let last = { analysisId: 0, tokens: null as PanelState['tokens'] };
      for (const step of steps) {
        const labels = texts[step.text];
        // Within a run there are no tokens, then the same ones.
        const analysisId = last.analysisId + (step.isNewRun ? 1 : 0);
        const known =
          !step.isNewRun && last.tokens
            ? last.tokens
            : labels && { labels, offsets: new Uint32Array(labels.length + 1) };
        const next = {
          ...{ ...nothingInspected, analysisId, selectedToken: step.selectedToken },
          tokens: known ? { ...known, surprisalBits: bits[step.bits]! } : null,
        };
        if (step.restart) line.start(next);
        else line.sender.send(next);
        last = next;
        assert.deepEqual(line.page, next);
      }
    }),
  );
});
