/** Requests to the hub: redirects, waits and failures. The token goes to the endpoint only, and into no message. */

import { setTimeout as wait } from 'node:timers/promises';
import { Cancelled, Failure } from '../shared/tools/failure';
import { t } from '../shared/tools/l10n';
import type { HubSettings } from './hubSettings';

const maxRedirects = 5;
const maxTries = 5;
const maxTriesToReach = 3;
/** The longest wait that a server may ask for; longer ones are for the user to decide on. */
const maxWaitMs = 120_000;
/** A connection on which nothing comes is given up. */
export const maxIdleMs = 60_000;

/** What a request is for, as messages name it. */
export interface Subject {
  readonly id: string;
  readonly revision?: string;
}

export interface HubRequest {
  readonly subject: Subject;
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * An answer with status 200 or 206, redirects followed; tried again where the server is busy or cannot be reached.
 * @param path after the endpoint, or a whole address on its host.
 * @throws Failure in words for everything else; Cancelled.
 */
export async function hubRequest(hub: HubSettings, path: string, request: HubRequest): Promise<Response> {
  if (hub.isOffline) {
    throw new Failure(
      'offline',
      t('Cannot download: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set. Remove it to download models.'),
    );
  }
  const url = path.startsWith('/') ? `${hub.endpoint}${path}` : path;
  for (let nTries = 1; ; nTries++) {
    let waitMs = 500 * 2 ** nTries;
    try {
      const response = await followed(hub, url, request);
      if (response.status === 200 || response.status === 206) return response;
      await response.body?.cancel();
      const isBusy = response.status === 429 || response.status >= 500;
      const askedMs = retryAfterMs(response.headers.get('retry-after'));
      if (!isBusy || nTries >= maxTries || askedMs > maxWaitMs) throw refusal(hub, response, request.subject);
      waitMs = Math.max(waitMs, askedMs);
    } catch (error) {
      if (request.signal.aborted) throw new Cancelled(t('The download was cancelled.'));
      if (error instanceof Failure) throw error;
      if (nTries >= maxTriesToReach) throw unreachable(hub, error);
    }
    await waited(Math.min(waitMs, maxWaitMs), request.signal);
  }
}

export async function waited(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => {
    throw new Cancelled(t('The download was cancelled.'));
  });
}

/** One request and its redirects. The token is left out from the first other host on. */
async function followed(hub: HubSettings, first: string, { signal, headers }: HubRequest): Promise<Response> {
  const { origin } = new URL(hub.endpoint);
  let url = new URL(first);
  let isOwn = true;
  for (let n = 0; n <= maxRedirects; n++) {
    isOwn &&= url.origin === origin;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), maxIdleMs); // until the headers are there; a body may take hours
    const response = await hub
      .fetch(url, {
        headers: { ...headers, 'user-agent': 'mta-inspector', ...(isOwn ? authorization(hub.token, url) : {}) },
        redirect: 'manual',
        signal: AbortSignal.any([signal, late.signal]),
      })
      .finally(() => clearTimeout(timer));
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) return response;
    await response.body?.cancel();
    const next = new URL(location, url);
    if (next.protocol !== 'https:' && !(next.protocol === 'http:' && url.protocol === 'http:')) {
      throw new Failure(
        'bad-answer',
        t('Cannot download: {0} leads to an address without encryption. Try again later.', url.host),
      );
    }
    url = next;
  }
  throw new Failure('bad-answer', t('Cannot download: {0} redirects without end. Try again later.', url.host));
}

/** Unencrypted the token goes to this machine only. */
function authorization(token: string | null, { protocol, hostname }: URL): Record<string, string> {
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  return token !== null && (protocol === 'https:' || isLocal) ? { authorization: `Bearer ${token}` } : {};
}

/** @param value seconds, or a date. */
export function retryAfterMs(value: string | null, now = Date.now()): number {
  if (value === null) return 0;
  if (/^\d{1,9}$/.test(value.trim())) return 1000 * Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}

function unreachable(hub: HubSettings, error: unknown): Failure {
  const { code } = ((error as { cause?: unknown } | null)?.cause ?? error ?? {}) as { code?: unknown };
  const why = typeof code === 'string' && /^\w+$/.test(code) ? ` (${code})` : '';
  return new Failure(
    'unreachable',
    t('Cannot reach {0}{1}. Check the connection and proxy, then try again.', new URL(hub.endpoint).host, why),
  );
}

/** What a status means, in words; nothing of what the server writes is repeated. */
function refusal(hub: HubSettings, { status, headers }: Response, { id, revision = 'main' }: Subject): Failure {
  const { host } = new URL(hub.endpoint);
  const page = `${hub.endpoint}/${id}`;
  const code = headers.get('x-error-code');
  if (code === 'GatedRepo' || status === 403) {
    return new Failure(
      'gated',
      hub.token === null
        ? t('Cannot download {0}: its owner asks you to accept terms. Accept them at {1} and set a token.', id, page)
        : t('Cannot download {0}: your account has no access. Ask for it at {1}, then try again.', id, page),
    );
  }
  if (code === 'RevisionNotFound') {
    return new Failure('no-model', t('{0} has no revision "{1}". Name a branch, a tag or a commit.', id, revision));
  }
  if (status === 401 || status === 404) {
    return new Failure(
      'no-model',
      hub.token === null
        ? t('There is no model {0} at {1}, or it is private. Check its name, or set a token.', id, host)
        : t('There is no model {0} at {1}, or the token has no access to it. Check both.', id, host),
    );
  }
  if (status === 429) {
    const seconds = Math.ceil(retryAfterMs(headers.get('retry-after')) / 1000);
    return new Failure('busy', t('{0} refuses more requests for now. Try again in {1} s.', host, seconds || 60));
  }
  return new Failure('bad-answer', t('Cannot download {0}: {1} answers with status {2}.', id, host, status));
}

/** The body, of at most `maxBytes`. @throws Failure for more. */
export async function readBody(response: Response, maxBytes: number, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new Failure('bad-answer', t('Cannot read {0}: it has more than {1} bytes.', what, maxBytes));
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
