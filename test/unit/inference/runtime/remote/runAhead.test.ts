import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunAhead } from '../../../../../src/inference/runtime/remote/runAhead';
import type { Transport } from '../../../../../src/inference/runtime/remote/transport';
import { int64 } from '../../../../../src/inference/runtime/values';

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
