import assert from 'node:assert/strict';
import { posix, win32 } from 'node:path';
import { test } from 'node:test';
import * as places from '../../../src/shared/modelPlaces';

const at = (platform: NodeJS.Platform, env: Record<string, string> = {}) =>
  platform === 'win32'
    ? { env, platform, home: 'C:\\Users\\me', join: win32.join }
    : { env, platform, home: '/home/me', join: posix.join };

test('Hugging Face’s cache and token: named outright, by the home of its library, by the user’s caches, or by default', () => {
  const cases: [Record<string, string>, cache: string, token: string][] = [
    [{}, '/home/me/.cache/huggingface/hub', '/home/me/.cache/huggingface/token'],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub', '/x/huggingface/token'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '~/h' }, '/home/me/h/hub', '/home/me/h/token'],
    [{ HF_HOME: '/h', HF_HUB_CACHE: '~', HF_TOKEN_PATH: '~/t' }, '/home/me', '/home/me/t'],
    [{ HUGGINGFACE_HUB_CACHE: '/old' }, '/old', '/home/me/.cache/huggingface/token'],
    [{ HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' }, '/new', '/home/me/.cache/huggingface/token'],
    [{ HF_HUB_CACHE: '', HF_HOME: '' }, '/home/me/.cache/huggingface/hub', '/home/me/.cache/huggingface/token'],
    // Another user's home is not looked up, as a shell would have done.
    [{ HF_HUB_CACHE: '~you/hub' }, '~you/hub', '/home/me/.cache/huggingface/token'],
  ];
  for (const [env, cache, token] of cases) {
    assert.equal(places.huggingFaceCache(at('linux', env)), cache);
    assert.equal(places.huggingFaceTokenFile(at('linux', env)), token);
  }
});

test('Ollama: the store that is named alone, else the user’s, and on Linux that of the service', () => {
  const stores = places.ollamaStores;
  assert.deepEqual(stores(at('linux')), ['/home/me/.ollama/models', '/usr/share/ollama/.ollama/models']);
  assert.deepEqual(stores(at('darwin')), ['/home/me/.ollama/models']);
  assert.deepEqual(stores(at('win32')), ['C:\\Users\\me\\.ollama\\models']);
  assert.deepEqual(stores(at('linux', { OLLAMA_MODELS: '~/o' })), ['/home/me/o']);
});

test('LM Studio and llama.cpp, on each system', () => {
  assert.deepEqual(places.lmStudioFolders(at('linux')), [
    '/home/me/.lmstudio/models',
    '/home/me/.cache/lm-studio/models',
  ]);
  const folder = places.llamaCppFolder;
  assert.equal(folder(at('linux')), '/home/me/.cache/llama.cpp');
  assert.equal(folder(at('linux', { XDG_CACHE_HOME: '/x' })), '/x/llama.cpp');
  assert.equal(folder(at('darwin', { XDG_CACHE_HOME: '/x' })), '/home/me/Library/Caches/llama.cpp');
  assert.equal(folder(at('win32')), 'C:\\Users\\me\\AppData\\Local\\llama.cpp');
  assert.equal(folder(at('win32', { LOCALAPPDATA: 'D:\\l' })), 'D:\\l\\llama.cpp');
  for (const platform of ['linux', 'darwin'] as const) {
    assert.equal(folder(at(platform, { LLAMA_CACHE: '/l' })), '/l');
  }
  assert.equal(folder(at('win32', { LLAMA_CACHE: '~\\l' })), 'C:\\Users\\me\\l');
});
