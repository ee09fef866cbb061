import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineSlots } from '../../../src/inference/engineSlots';
import { handlersOf } from '../../../src/inference/handlers';
import type { InferenceRequests } from '../../../src/inference/protocol';

/** Answers at once, has nothing to stop, or is stopped with its process (folders). */
const instant: readonly (keyof InferenceRequests)[] = [
  'ping',
  'load',
  'unload',
  'readSearchText',
  'summarizeFolder',
  'describeFolder',
  'hasChatTemplate',
  'findModels',
  'modelFacts',
  'configFacts',
];

test('a cancel reaches whatever does the work of a request', async () => {
  const seen: unknown[] = [];
  const record = new Proxy({}, { get: () => (_args: unknown, signal: unknown) => seen.push(signal) });
  const engine = new Proxy(
    {},
    { get: (_, name) => (name === 'details' ? record : (_args: unknown, signal: unknown) => seen.push(signal)) },
  );
  const handlers = handlersOf({ of: () => engine, holding: () => engine } as unknown as EngineSlots);
  for (const name of Object.keys(handlers) as (keyof InferenceRequests)[]) {
    if (instant.includes(name)) continue;
    const { signal } = new AbortController();
    await (handlers[name] as (args: unknown, signal: AbortSignal) => unknown)({}, signal);
    assert.equal(seen.pop(), signal, name);
  }
});
