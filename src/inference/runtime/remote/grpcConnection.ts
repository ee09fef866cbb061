/**
 * The HTTP/2 connection of a gRPC client, opened again after it ended. Connect's own leaves an error of a connection without
 * a listener, which ends the process, when a server speaks something else.
 */

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Http2SessionManager } from '@connectrpc/connect-node';

type SessionManager = Pick<Http2SessionManager, 'authority' | 'request' | 'notifyResponseByteRead'>;

interface Connection {
  readonly session: ClientHttp2Session;
  /** @throws the error of Node that the connection failed with. */
  readonly connected: Promise<void>;
  nStreams: number;
}

export class GrpcConnection implements SessionManager {
  readonly authority: string;
  private connection: Connection | undefined;

  /** @param ca certificates of authorities, instead of the usual ones. */
  constructor(
    base: string,
    private readonly ca: Buffer | undefined,
  ) {
    this.authority = new URL(base).origin;
  }

  async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: Omit<ClientSessionRequestOptions, 'signal'>,
  ): Promise<ClientHttp2Stream> {
    const connection = this.open();
    const { session } = connection;
    await connection.connected;
    const stream = session.request({ ...headers, ':method': method, ':path': path }, options);
    if (connection.nStreams++ === 0) session.ref();
    let isAnswered = false;
    stream.once('response', () => {
      isAnswered = true;
    });
    stream.once('close', () => {
      if (--connection.nStreams === 0) session.unref();
      // Connect waits until its time limit for a stream that was reset with NO_ERROR and without an answer, as proxies do.
      if (!isAnswered && stream.rstCode === constants.NGHTTP2_NO_ERROR)
        stream.emit('error', new ConnectError('the stream ended without an answer', Code.Canceled));
    });
    return stream;
  }

  notifyResponseByteRead(): void {}

  /** Ends all streams. */
  close(): void {
    this.connection?.session.destroy(undefined, constants.NGHTTP2_CANCEL);
  }

  private open(): Connection {
    const { connection } = this;
    if (connection && !connection.session.closed && !connection.session.destroyed) return connection;
    const session = connect(this.authority, this.ca ? { ca: this.ca } : {});
    const connected = new Promise<void>((resolve, reject) => {
      session.once('connect', () => {
        session.unref(); // an idle connection does not keep the process from ending
        resolve();
      });
      session.on('error', reject); // later ones are also those of the streams
      session.once('close', () => reject(new ConnectError('the connection was closed', Code.Canceled)));
    });
    connected.catch(() => {}); // each request that waits for it reports it
    this.connection = { session, connected, nStreams: 0 };
    return this.connection;
  }
}
