import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KernelWeights } from '../../../src/shared/kernels';
import { entriesOf } from '../../../webview/kernelGallery';
import { describeSnapshot, ownAndRest, snapshotsOf } from '../../../webview/kernelHistory';

const conv = (...values: number[]): KernelWeights => ({
  ...{ part: 'pre_softmax_conv', rows: 1, columns: 3, identityColumn: 1 },
  values: Float32Array.from(values),
});
const mix = (...values: number[]): KernelWeights => ({
  ...{ part: 'post_softmax_head_mix', rows: 1, columns: 2, identityColumn: null },
  values: Float32Array.from(values),
});
const start = [conv(0, 1, 0, 0, 1, 0), mix(1, 0, 0, 1)];
const end = [conv(0.3, 1.2, 0.4, -1, 1, 0), mix(1, -0.5, 0.25, 0.5)];
const entries = entriesOf(2, end);
const history = { steps: [0, 40], snapshots: [start, end] };

test('the last snapshot is the kernel itself; each says what it was', () => {
  const [head0, head1, mixing] = entries.map(entry => snapshotsOf(entry, history));
  assert.deepEqual(
    head0!.map(({ step, entry }) => [step, entry.features.name]),
    [
      [0, 'near-identity'],
      [40, 'mixed'],
    ],
  );
  assert.equal(head0![1]!.entry, entries[0]);
  assert.equal(describeSnapshot(head0!, 0, 0), 'Step 0 of 40: near-identity, own tap +1.000, rest 0');
  assert.match(describeSnapshot(head0!, 1, 0), /^Step 40 of 40: .*, own tap \+1\.200, rest 0\.5000$/);
  assert.match(describeSnapshot(head1!, 1, 0), /^Step 40 of 40: edge, own tap \+1\.000, rest 1\.000$/);
  assert.match(describeSnapshot(mixing!, 1, 0), /own weight \+1\.000, rest 0\.5000$/);
  assert.match(describeSnapshot(mixing!, 1, 1), /own weight \+0\.5000, rest 0\.2500$/);
});

test('a model in fp16 is the end of its history in fp32; one that was trained on comes after it', () => {
  const rounded = entriesOf(2, [conv(0.3001, 1.2004, 0.4001, -1, 1, 0)])[0]!;
  assert.deepEqual(
    snapshotsOf(rounded, history).map(({ step }) => step),
    [0, 40],
  );
  const other = entriesOf(2, [conv(0.3, 1.3, 0.4, -1, 1, 0)])[0]!;
  const snapshots = snapshotsOf(other, history);
  assert.deepEqual(
    snapshots.map(({ step }) => step),
    [0, 40, null],
  );
  assert.match(describeSnapshot(snapshots, 2, 0), /^As the model has it: .*, own tap \+1\.300, /);
  assert.match(describeSnapshot(snapshots, 1, 0), /^Step 40 of 40/);
});

test('a history of other kernels is none', () => {
  assert.deepEqual(snapshotsOf(entries[0]!, { steps: [0], snapshots: [[mix(1, 0, 0, 1)]] }), []);
  assert.deepEqual(snapshotsOf(entries[0]!, { steps: [], snapshots: [] }), []);
  const one = { ...conv(1, 0), columns: 1, identityColumn: 0 };
  assert.deepEqual(snapshotsOf(entries[0]!, { steps: [0], snapshots: [[one]] }), []);
});

test('of a matrix in groups the own weight is in the group’s column', () => {
  const grouped = entriesOf(0, [mix(1, 0.5, 0.25, 2, 3, 4, 5, 6)])[0]!;
  assert.deepEqual(
    [0, 1, 2, 3].map(head => ownAndRest(grouped, head).own),
    [1, 2, 3, 6],
  );
});
