import assert from 'node:assert/strict';
import { test } from 'node:test';
import { issueText } from '../../../src/editor/issueText';
import { defaultSettings } from '../../fixtures/analysis';

test('a report of a problem names versions, backend and error, and nothing of documents, paths or servers', () => {
  const remote = { url: 'https://secret.example', model: 'secret', timeoutMs: 1, retries: 0, caFile: '/secret/ca.pem' };
  const text = issueText({
    ...{ version: '1.2.3', editor: '1.100.0, Code', system: 'linux 6 x64' },
    snapshot: {
      model: { name: 'secret', nLayers: 8, nHeads: 7 } as never,
      provider: 'webgpu',
      tokens: { labels: ['secret', 'words'] } as never,
      failure: { code: 'memory', message: 'secret', actions: [] },
      status: 'failed',
    },
    settings: { ...defaultSettings, model: '/secret/model', remote },
  });
  for (const part of ['1.2.3', 'linux 6 x64', '8 layers, 7 heads', 'webgpu', '2 tokens', '`memory`', '"remote":true']) {
    assert.ok(text.includes(part), part);
  }
  assert.ok(!text.includes('secret'), text);
});
