/** One constructor per way a remote server fails; `openTransport` takes the token out of all of them. */

import { Failure, type FailureAction } from '../../../shared/tools/failure';
import { plainLine, shorten } from '../../../shared/tools/plainText';
import { redact } from '../../../shared/tools/redact';

const actions: readonly FailureAction[] = ['retry', 'openSettings', 'showLog'];

/** A failure of the server or of the line to it. */
export class RemoteFailure extends Failure {
  constructor(
    code: string,
    message: string,
    /** The same request may succeed in a moment. */
    readonly isTransient = false,
  ) {
    super(code, message, actions);
  }
}

/** Codes of Node and OpenSSL for a certificate that cannot be trusted. */
const certificateCode = /CERT|LEAF_SIGNATURE|ERR_TLS|_CRL/;

const noTlsCode = /^(ERR_SSL|EPROTO)/;

/** Trouble with encryption. @param cause an error of Node, recognized by its code. @returns null for other trouble. */
export function tlsFailure(host: string, why: string, cause: unknown): RemoteFailure | null {
  const code = (cause as { code?: unknown } | null | undefined)?.code;
  if (typeof code !== 'string') return null;
  if (noTlsCode.test(code)) return remoteFailures.unreachable(host, `it does not speak TLS as it should (${code})`);
  return certificateCode.test(code) ? remoteFailures.untrusted(host, why) : null;
}

export const remoteFailures = {
  badUrl: (why: string) =>
    new RemoteFailure(
      'remote-url',
      `Cannot use mtaInspector.remote.url: ${why}. Write http://, https://, grpc:// or grpcs://, a host and a port.`,
    ),
  insecure: (host: string) =>
    new RemoteFailure(
      'remote-insecure',
      `The token is not sent to ${host} without encryption. Use https:// or grpcs://, or clear the token.`,
    ),
  unreachable: (host: string, why: string) =>
    new RemoteFailure(
      'remote-unreachable',
      `Cannot reach the server ${host}: ${why}. Start it, or correct the address.`,
      true,
    ),
  untrusted: (host: string, why: string) =>
    new RemoteFailure(
      'remote-untrusted',
      `The certificate of the server ${host} is not trusted: ${why}. Nothing was sent. Set the authority that signed it in ` +
        'mtaInspector.remote.certificateAuthority (MTA_INSPECTOR_CA for the command line), or correct the address.',
    ),
  timeout: (host: string, ms: number) =>
    new RemoteFailure(
      'remote-timeout',
      `The server ${host} has not answered within ${ms / 1000} s. Try again, or raise mtaInspector.remote.timeout.`,
    ),
  refused: (host: string, what: string, status: string, isTransient: boolean) =>
    new RemoteFailure(
      'remote-refused',
      `The server ${host} refused "${what}": ${status}. Show its log, or try again.`,
      isTransient,
    ),
  unauthorized: (host: string, hasToken: boolean) =>
    new RemoteFailure(
      'remote-unauthorized',
      hasToken
        ? `The server ${host} does not accept the token. Set another with "Set Remote Token".`
        : `The server ${host} asks for a token. Set it with "Set Remote Token", or MTA_INSPECTOR_TOKEN for the command line.`,
    ),
  redirect: (host: string, status: number) =>
    new RemoteFailure(
      'remote-redirect',
      `The server ${host} sends elsewhere (status ${status}). Redirects are not followed, as the token must not go to another server. Set the final address.`,
    ),
  tooLong: (host: string, bytes: number) =>
    new RemoteFailure(
      'remote-too-long',
      `The server ${host} answers with more than the ${bytes} bytes that were requested; none of it is used. Check the address.`,
    ),
  badAnswer: (where: string, found: string, expected: string) =>
    new RemoteFailure(
      'remote-bad-answer',
      `The server's answer cannot be used: ${where} is ${found}, expected ${expected}. Serve the model as export-repository writes it.`,
    ),
  notReady: (host: string) =>
    new RemoteFailure('remote-not-ready', `The server ${host} is not ready yet. Try again once its models are loaded.`),
  whichModel: (names: readonly string[]) =>
    new RemoteFailure(
      'remote-model',
      names.length === 0
        ? 'The server does not say which models it has. Name one in mtaInspector.remote.model.'
        : `The server has several models: ${list(names)}. Name one in mtaInspector.remote.model.`,
    ),
  sendsToken: (what: string) =>
    new RemoteFailure(
      'remote-token',
      `The server sends back the access token in ${what}; nothing of it is used. Set another token and check the address.`,
    ),
};

/** The first names of models, each short and on one line. */
function list(names: readonly string[]): string {
  const first = names.slice(0, 8).map(name => plainLine(shorten(name, 80)));
  return names.length > first.length ? `${first.join(', ')} and ${names.length - first.length} more` : first.join(', ');
}

/** A server's message, short, on one line, without control characters and without the token. */
export function quoted(text: string, token: string | null): string {
  return shorten(
    redact(text, token)
      .replaceAll(/[\p{C}\p{Z}\s]+/gu, ' ')
      .trim(),
    200,
  );
}
