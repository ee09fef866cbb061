// Lets one person in: a loopback port before a server that listens on a private socket and asks for nothing itself.
// Refused are other users of the machine, who lack the secret, and pages of other sites, by Host and Origin (a page can make
// a name of its own lead to this machine: DNS rebinding).
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import { connect } from 'node:net';

/** The query parameter that holds the secret in the address to open; a cookie holds it from then on. */
const parameter = 'secret';

/**
 * @param {string} given
 * @param {string} secret
 */
function isSame(given, secret) {
  const digest = (/** @type {string} */ text) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}

/**
 * @param {string | undefined} header as a browser sends it: `name=value; name=value`
 * @param {string} name
 */
function cookieOf(header, name) {
  const pairs = (header ?? '').split(';').map(pair => pair.trim());
  return pairs.find(pair => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
}

/**
 * Decides on a request by its headers.
 * @param {import('node:http').IncomingMessage} request
 * @param {{authority: string, cookieName: string, secret: string}} owner
 * @returns {{status: number, message?: string, location?: string}} status 200: goes on to the server
 */
export function judge({ headers, url = '', method }, { authority, cookieName, secret }) {
  if (headers.host !== authority) {
    return { status: 403, message: `This server is ${authority} and answers to no other name.` };
  }
  const { origin } = headers;
  if (origin !== undefined && origin !== `http://${authority}`) {
    return { status: 403, message: 'Requests of pages from other sites are refused.' };
  }
  if (!url.startsWith('/')) return { status: 400, message: 'The request names no path of this server.' };
  if (isSame(cookieOf(headers.cookie, cookieName), secret)) return { status: 200 };
  const address = new URL(`http://${authority}${url}`);
  if (method === 'GET' && isSame(address.searchParams.get(parameter) ?? '', secret)) {
    address.searchParams.delete(parameter);
    // Whole: a path that begins with two slashes would name another server.
    return { status: 303, location: address.href };
  }
  return {
    status: 401,
    message: 'Open the address that was printed when this server was started: it holds the secret.',
  };
}

/**
 * Listens on a free loopback port and hands the owner's requests and web sockets on.
 * @param {string} socketPath the socket of the server, in a folder that only the owner can enter
 */
export async function startOwnerProxy(socketPath) {
  const secret = randomBytes(32).toString('base64url');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  /** Webviews need a service worker, which browsers allow on the name `localhost`. */
  const authority = `localhost:${port}`;
  // Cookies do not tell ports apart: the name does.
  const owner = { authority, cookieName: `workbench-${port}`, secret };

  server.on('request', (request, response) => {
    const { status, message, location } = judge(request, owner);
    if (status !== 200) {
      const headers = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', connection: 'close' };
      const cookie = `${owner.cookieName}=${secret}; HttpOnly; SameSite=Lax; Path=/`;
      response.writeHead(status, location ? { ...headers, location, 'set-cookie': cookie } : headers);
      response.end(message);
      return;
    }
    const { method, url, headers } = request;
    const onward = forward({ socketPath, method, path: url, headers }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });

  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const { status, message = '' } = judge(request, owner);
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status === 303 ? 401 : status} Refused\r\nconnection: close\r\n\r\n${message}`);
      return;
    }
    const onward = connect(socketPath);
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    }
    onward.write(`${lines.join('\r\n')}\r\n\r\n`);
    onward.write(head);
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  });

  return {
    authority,
    origin: `http://${authority}`,
    /**
     * An address with the secret in it, for the owner's eyes only.
     * @param {URL} address of this server
     */
    withSecret(address) {
      const url = new URL(address);
      url.searchParams.set(parameter, secret);
      return url.href;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
