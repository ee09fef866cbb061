import assert from 'node:assert/strict';
import { test } from 'node:test';
import { thisPlatform, whyUnsupported } from '../../../../src/inference/runtime/platform';

const rows: [string, string, boolean, RegExp | null][] = [
  ['linux', 'x64', false, null],
  ['darwin', 'arm64', false, null],
  ['win32', 'arm64', false, null],
  ['darwin', 'x64', false, /Intel Macs/],
  ['linux', 'x64', true, /Alpine/],
  ['linux', 'arm', false, /linux on arm/],
  ['freebsd', 'x64', false, /freebsd on x64/],
];
for (const [os, arch, isMusl, expected] of rows) {
  test(`${os}-${arch}${isMusl ? ' with musl' : ''}: ${expected ? 'is said to have no runtime' : 'is supported'}`, () => {
    const why = whyUnsupported({ os, arch, isMusl });
    if (expected) assert.match(why ?? '', expected);
    else assert.equal(why, null);
  });
}

test('this machine is described as Node knows it', () => {
  const { os, arch } = thisPlatform();
  assert.deepEqual([os, arch], [process.platform, process.arch]);
});
