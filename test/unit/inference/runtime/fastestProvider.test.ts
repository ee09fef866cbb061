import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Candidate,
  fastestProvider,
  fullProbe,
  quickProbe,
} from '../../../../src/inference/runtime/fastestProvider';

/** Milliseconds of the quick and of the full probe, and the result; a message where it cannot be used. */
type Speed = readonly [quickMs: number, fullMs: number, output?: number] | string;

async function choose(speeds: Readonly<Record<string, Speed>>, reasons: readonly string[] = []) {
  const done: string[] = [];
  const open = (name: string): Candidate & { readonly name: string } => ({
    name,
    async probe(nTokens) {
      done.push(`${name} ${nTokens}`);
      const speed = speeds[name]!;
      if (typeof speed === 'string') throw new Error(speed);
      return { durationMs: speed[nTokens === fullProbe ? 1 : 0], output: Float32Array.of(speed[2] ?? 1) };
    },
    release: async () => void done.push(`${name} released`),
  });
  const others = Object.keys(speeds).filter(name => name !== 'cpu');
  const { chosen, note } = await fastestProvider(open('cpu'), others, open, reasons);
  return { chosen: chosen.name, note, done };
}

test('a driver in software is given up after a few tokens, with its numbers', async () => {
  assert.deepEqual(await choose({ webgpu: [1438, 44_000], cpu: [2.4, 80] }), {
    chosen: 'cpu',
    note: `CPU: webgpu is far slower (1438 ms a layer, CPU 2 ms, at ${quickProbe} tokens).`,
    done: [`webgpu ${quickProbe}`, `cpu ${quickProbe}`, 'webgpu released'],
  });
});

test('a GPU that needs longer to start than the CPU for a few tokens is still tried at many', async () => {
  const full = [`webgpu ${quickProbe}`, `webgpu ${fullProbe}`, `cpu ${fullProbe}`, 'cpu released'];
  assert.deepEqual(await choose({ webgpu: [20, 30], cpu: [1, 60] }), {
    chosen: 'webgpu',
    note: 'webgpu: 30 ms a layer, CPU 60 ms.',
    done: full,
  });
  // A large model on a small GPU.
  assert.equal((await choose({ webgpu: [400, 500], cpu: [300, 2000] })).chosen, 'webgpu');
});

const rows: [Readonly<Record<string, Speed>>, chosen: string, note: RegExp][] = [
  [{ webgpu: [5, 90], cpu: [1, 60] }, 'cpu', /^CPU: webgpu is not faster \(90 ms a layer, CPU 60 ms\)\.$/],
  [{ webgpu: [5, 9, 1.1], cpu: [1, 60] }, 'cpu', /^CPU: webgpu gives other results .* \(difference 1\.0e-1\)\.$/],
  [{ webgpu: [5, 9, Number.NaN], cpu: [1, 60] }, 'cpu', /gives other results/],
  [{ webgpu: 'no adapter', cpu: [1, 60] }, 'cpu', /^CPU: webgpu cannot be used \(no adapter\)\.$/],
  [{ webgpu: 'no adapter', coreml: [5, 9], cpu: [1, 60] }, 'coreml', /^coreml: 9 ms a layer, CPU 60 ms\.$/],
  [{ dml: [5, 20], webgpu: [5, 9], cpu: [1, 60] }, 'webgpu', /^webgpu: 9 ms/],
  [{ dml: [5, 9], webgpu: [5, 20], cpu: [1, 60] }, 'dml', /^dml: 9 ms/],
];
for (const [speeds, chosen, note] of rows) {
  test(`among ${JSON.stringify(speeds)}: ${chosen}`, async () => {
    const choice = await choose(speeds);
    assert.equal(choice.chosen, chosen);
    assert.match(choice.note, note);
    const released = choice.done.filter(what => what.endsWith('released'));
    const opened = Object.keys(speeds).filter(name => name !== 'cpu' || chosen !== 'cpu');
    assert.equal(released.length, chosen === 'cpu' ? opened.length : opened.length - 1, 'all others are released');
    assert.ok(!released.includes(`${chosen} released`));
  });
}

test('where nothing else can be used the CPU is not measured, and what is known of it is said', async () => {
  const { note, done } = await choose({ webgpu: 'no adapter', cpu: [1, 60] }, ['in WebAssembly']);
  assert.equal(note, 'CPU: in WebAssembly; webgpu cannot be used (no adapter).');
  assert.deepEqual(done, [`webgpu ${quickProbe}`, 'webgpu released']);
});
