import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunAhead } from '../../../../../src/inference/runtime/remote/runAhead';
import type { Transport } from '../../../../../src/inference/runtime/remote/transport';
import { int64 } from '../../../../../src/inference/runtime/values';
import { Failure } from '../../../../../src/shared/tools/failure';

test('a stream that is let go is read to its end, so that nothing of it stays open', async () => {
  let isOpen = true;
  const transport = {
    async *stream(_request: unknown, _answers: unknown, signal: AbortSignal) {
      for (let layer = 0; ; layer++) {
        // As in the client library: what was begun is put away by the next read, not by `return`.
        if (signal.aborted) {
          isOpen = false;
          throw new Error('aborted');
        }
        yield { layer };
      }
    },
  } as unknown as Transport;
  const ahead = new RunAhead(transport);
  const [ids, hidden] = [int64([1], [1, 1]), int64([2], [1, 1])];
  ahead.remember(hidden, ids);
  const request = { model: 'layer', inputs: {}, outputs: [] };
  const answer = await ahead.take(0, hidden, () => ({ request, answers: [request, request] }) as never);
  assert.deepEqual(answer, { layer: 0 });
  assert.ok(isOpen);
  ahead.stop();
  await new Promise(setImmediate);
  assert.ok(!isOpen);
});

/** A server that streams one answer per layer, and counts the streams that were begun. */
function server(nLayers = 3, broken = -1, error: Error = new Failure('remote', 'gone')) {
  const begun: unknown[] = [];
  const transport = {
    async *stream(request: unknown) {
      begun.push(request);
      for (let layer = 0; layer < nLayers; layer++) {
        if (layer === broken) throw error;
        yield { layer };
      }
    },
  } as unknown as Transport;
  const ahead = new RunAhead(transport);
  const request = { model: 'layer', inputs: { hidden: 1 }, outputs: [] };
  const calls = () => ({ request, answers: [request, request, request] }) as never;
  const value = (id: number) => int64([id], [1, 1]);
  const ids = value(9);
  const hidden = [value(0), value(1), value(2), value(3)];
  ahead.remember(hidden[0]!, ids);
  const take = (layerIdx: number, input = hidden[layerIdx]!) => ahead.take(layerIdx, input, calls);
  const follow = (layerIdx: number) => ahead.follow(hidden[layerIdx]!, hidden[layerIdx + 1]!);
  return { ahead, begun, take, follow, ids, value };
}

test('layers of one run are answered by one stream, each with the output of the layer before', async () => {
  const { begun, take, follow, ids } = server();
  for (const layer of [0, 1, 2]) {
    assert.deepEqual(await take(layer), { layer });
    follow(layer);
  }
  assert.equal(begun.length, 1);
  assert.equal((begun[0] as { inputs: { ids: unknown } }).inputs.ids, ids);
});

test('what does not go on where the stream is has no answer from it', async () => {
  const { begun, take, follow, value, ahead } = server();
  assert.equal(await take(1), null, 'no run was begun');
  assert.equal(await take(0, value(0)), null, 'not an embedding that it knows');
  await take(0);
  assert.equal(await take(1), null, 'not the output of layer 0');
  ahead.follow(value(0), value(1)); // of another run
  assert.equal(await take(1), null);
  follow(0);
  assert.equal(await take(2), null, 'a layer too far');
  assert.deepEqual(await take(1), { layer: 1 });
  assert.equal(begun.length, 1);
});

test('a run that begins again begins another stream', async () => {
  const { begun, take, follow } = server();
  await take(0);
  follow(0);
  assert.deepEqual(await take(0), { layer: 0 });
  assert.equal(begun.length, 2);
});

test('a stream that ends early or breaks has no answer; a wrong answer is an error', async () => {
  const short = server(1);
  await short.take(0);
  short.follow(0);
  assert.equal(await short.take(1), null);
  const broken = server(3, 1);
  await broken.take(0);
  broken.follow(0);
  assert.equal(await broken.take(1), null);
  for (const error of [new Failure('remote-bad-answer', 'shape'), new TypeError('a mistake of ours')]) {
    const wrong = server(3, 0, error);
    await assert.rejects(wrong.take(0), error);
  }
});
