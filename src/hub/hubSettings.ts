/** How the Hugging Face hub is reached, as the environment says: variables and files of Python's `huggingface_hub`. */

import { readFile, stat } from 'node:fs/promises';
import { huggingFaceCache, huggingFaceTokenFile, type Surroundings } from '../shared/modelPlaces';
import { Failure } from '../shared/tools/failure';
import { t } from '../shared/tools/l10n';

export interface HubSettings {
  /** Address of the hub or of a mirror, without a slash at its end. */
  readonly endpoint: string;
  readonly isOffline: boolean;
  /** Sent to the endpoint only. */
  readonly token: string | null;
  /** The folder of the cache. */
  readonly cache: string;
  /** Whether snapshots are made of links, where the system has them. */
  readonly hasLinks: boolean;
  readonly fetch: typeof fetch;
}

const maxTokenBytes = 4096;

/** @param ownToken from VS Code's secret storage, before those of the environment. */
export async function readHubSettings(
  here: Surroundings,
  ownToken: string | null,
  fetchImpl: typeof fetch,
): Promise<HubSettings> {
  const { env } = here;
  return {
    endpoint: endpointOf(env['HF_ENDPOINT'] || 'https://huggingface.co'),
    isOffline: isTrue(env['HF_HUB_OFFLINE']) || isTrue(env['TRANSFORMERS_OFFLINE']),
    token: checkedToken(ownToken ?? (await environmentToken(here))),
    cache: huggingFaceCache(here),
    hasLinks: !isTrue(env['HF_HUB_DISABLE_SYMLINKS']),
    fetch: fetchImpl,
  };
}

/** @throws Failure for what is no web address. */
function endpointOf(text: string): string {
  const url = parsedUrl(text);
  if (url && (url.protocol === 'https:' || url.protocol === 'http:') && !url.username && !url.password) {
    return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  }
  throw new Failure(
    'bad-endpoint',
    t('Cannot use HF_ENDPOINT: it is not an http or https address without a password. Correct it, or remove it.'),
  );
}

function parsedUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

async function environmentToken(here: Surroundings): Promise<string | null> {
  const { env } = here;
  if (isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return null;
  const named = env['HF_TOKEN'] || env['HUGGING_FACE_HUB_TOKEN'];
  if (named) return named;
  const path = huggingFaceTokenFile(here);
  const file = await stat(path).catch(() => null);
  if (!file?.isFile() || file.size > maxTokenBytes) return null;
  return readFile(path, 'utf8').catch(() => null);
}

/** @throws Failure for a token that no header can carry; its message does not hold it. */
function checkedToken(token: string | null): string | null {
  const text = token?.trim();
  if (!text) return null;
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new Failure('bad-token', t('Cannot use the Hugging Face token: it has blanks or letters that no token has.'));
}

/** As Python's library reads its variables. */
function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? '');
}
