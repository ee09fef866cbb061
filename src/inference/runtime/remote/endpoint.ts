/** Where the server is and how to talk to it: the settings, checked. */

import { readFileSync } from 'node:fs';
import type { RemoteOptions } from '../../../shared/remote';
import { remoteFailures } from './failures';

export interface Endpoint extends Omit<RemoteOptions, 'url' | 'caFile'> {
  readonly protocol: 'rest' | 'grpc';
  /** http(s)://host:port/path without a slash at its end. */
  readonly base: string;
  /** For messages. */
  readonly host: string;
  readonly ca: Buffer | undefined;
}

const schemes: Readonly<Record<string, readonly [protocol: Endpoint['protocol'], scheme: 'http' | 'https']>> = {
  'http:': ['rest', 'http'],
  'https:': ['rest', 'https'],
  'grpc:': ['grpc', 'http'],
  'grpcs:': ['grpc', 'https'],
};

/** @throws RemoteFailure for an address that cannot be used, or one that would carry the token unencrypted. */
export function openEndpoint({ url, caFile, ...options }: RemoteOptions): Endpoint {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const [protocol, scheme] = schemes[parsed?.protocol ?? ''] ?? [];
  if (!parsed || !protocol || !scheme || !parsed.host) throw remoteFailures.badUrl('it is not the address of a server');
  if (parsed.username || parsed.password) throw remoteFailures.badUrl('it holds a user or password; use the token');
  if (parsed.search || parsed.hash) throw remoteFailures.badUrl('it has a query or fragment');
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(parsed.hostname);
  if (options.token && scheme === 'http' && !isLoopback) throw remoteFailures.insecure(parsed.host);
  let ca: Buffer | undefined;
  try {
    ca = caFile ? readFileSync(caFile) : undefined;
  } catch (error) {
    throw remoteFailures.badUrl(`its certificate authority cannot be read (${(error as Error).message})`);
  }
  const base = `${scheme}://${parsed.host}${parsed.pathname.replace(/\/+$/, '')}`;
  return { ...options, protocol, base, host: parsed.host, ca };
}
