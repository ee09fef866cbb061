/** Takes the access token out of what a server says: whole, in parts, or with invisible characters in between. Pure. */

/** Parts of the token of this length are taken out too; shorter ones are found in any text. */
const partLength = 8;
const redacted = '…';
/** What separates characters for a program but not, or hardly, for a reader. */
const separator = /[\p{C}\p{Z}\s]/u;

/** The text without the token and without parts of it. */
export function redact(text: string, token: string | null): string {
  if (!token) return text;
  const secret = [...token].filter(character => !separator.test(character));
  const length = Math.min(partLength, secret.length);
  if (length === 0) return text;
  const parts = new Set(secret.slice(length - 1).map((_, i) => secret.slice(i, i + length).join('')));
  const characters = [...text];
  const visible = characters.flatMap((character, i) => (separator.test(character) ? [] : [i]));
  const isSecret = new Uint8Array(characters.length);
  for (let i = 0; i + length <= visible.length; i++) {
    const [first, last] = [visible[i]!, visible[i + length - 1]!];
    const part = visible
      .slice(i, i + length)
      .map(at => characters[at])
      .join('');
    if (parts.has(part)) isSecret.fill(1, first, last + 1);
  }
  return characters.map((character, i) => (!isSecret[i] ? character : isSecret[i - 1] ? '' : redacted)).join('');
}

/**
 * Whether data that came as JSON holds the whole token. Words of a vocabulary are not secrets, so tokens shorter than
 * `partLength` are not looked for.
 */
export function holdsToken(json: unknown, token: string | null): boolean {
  if (!token || token.length < partLength) return false;
  const pending: unknown[] = [json]; // not by recursion, which data that is nested deep enough would end
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (key.includes(token)) return true;
        pending.push(inner);
      }
    } else if (String(value).includes(token)) return true;
  }
  return false;
}

/** The same error without the token, in its stack too. */
export function withoutToken(error: unknown, token: string | null): unknown {
  if (!token || !(error instanceof Error)) return error;
  error.message = redact(error.message, token);
  if (error.stack) error.stack = redact(error.stack, token);
  delete error.cause;
  return error;
}
