import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestartPolicy } from '../../../src/inference/restartPolicy';

test('gives up after five crashes in three minutes and forgets old ones', () => {
  const policy = new RestartPolicy();
  for (let crash = 0; crash < 5; crash++) {
    assert.ok(policy.mayStart(crash * 1000));
    policy.onCrash(crash * 1000);
  }
  assert.ok(!policy.mayStart(10_000));
  assert.ok(policy.mayStart(180_000 + 1));
});

test('a restart that a person asks for is allowed after any number of crashes', () => {
  const policy = new RestartPolicy();
  for (let crash = 0; crash < 5; crash++) policy.onCrash(crash);
  assert.ok(!policy.mayStart(10));
  policy.forget();
  assert.ok(policy.mayStart(10));
});
