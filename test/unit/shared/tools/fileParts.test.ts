import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileParts, joinParts, maxPartBytes } from '../../../../src/shared/tools/fileParts';

for (const size of [1, maxPartBytes, maxPartBytes + 1, 3 * maxPartBytes - 7]) {
  test(`a file of ${size} bytes arrives whole, in parts of less than 1 MiB, made once`, async () => {
    const file = Uint8Array.from({ length: size }, (_, i) => i % 251);
    const parts = new FileParts();
    let made = 0;
    const joined = await joinParts(async partIdx => {
      const part = await parts.part(partIdx, async () => {
        made++;
        return file;
      });
      assert.ok(part.bytes.byteLength <= maxPartBytes && part.bytes.buffer.byteLength < 1 << 20);
      return part;
    });
    assert.equal(Buffer.compare(joined, file), 0);
    assert.equal(made, 1);
    await assert.rejects(
      parts.part(1, async () => file),
      RangeError,
    );
  });
}

test('parts of two files are not joined', async () => {
  const sizes = [maxPartBytes * 2, maxPartBytes * 2 + 1];
  const ask = async (partIdx: number) => ({ sizeBytes: sizes[partIdx]!, bytes: new Uint8Array(maxPartBytes) });
  await assert.rejects(joinParts(ask), /Copy it again/);
});

test('a file that cannot be made fails, and the next one is another', async () => {
  const parts = new FileParts();
  await assert.rejects(
    parts.part(0, () => Promise.reject(new Error('no analysis'))),
    /no analysis/,
  );
  assert.equal((await parts.part(0, async () => new Uint8Array(3))).sizeBytes, 3);
});
