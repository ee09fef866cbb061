// `npm run l10n`: which texts lack a translation, and which translations are of texts that are gone.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './setup.mjs';

/** A call of `vscode.l10n.t` or `t` whose text is one literal. */
const call = /\bt\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`$]*`)/g;

/** Texts of the extension host and the panel that can be translated. @returns {string[]} */
export function textsOfCode() {
  const files = ['src', 'webview'].flatMap(folder =>
    readdirSync(join(root, folder), { encoding: 'utf8', recursive: true })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(folder, name)),
  );
  const texts = files.flatMap(file => {
    const source = readFileSync(join(root, file), 'utf8').replaceAll(/^\s*(\*|\/\*\*|\/\/).*$/gm, '');
    const found = [...source.matchAll(call)].map(([, literal = '']) => textIn(literal));
    const calls = source.match(/\bt\(/g)?.length ?? 0;
    if (found.length !== calls) throw new Error(`${file} calls t with something that is no plain text.`);
    return found;
  });
  return [...new Set(texts)].sort();
}

/** @param {string} literal */
function textIn(literal) {
  return literal.slice(1, -1).replace(/\\(u\{?([\da-f]{2,6})\}?|.)/gis, (_, character, code) => {
    if (code) return String.fromCodePoint(Number.parseInt(code, 16));
    return character === 'n' ? '\n' : character;
  });
}

const read = (/** @type {string} */ name) => JSON.parse(readFileSync(join(root, name), 'utf8'));

/** Languages with a translation. @returns {string[]} */
export const languages = () =>
  readdirSync(join(root, 'l10n')).flatMap(name => /^bundle\.l10n\.(.+)\.json$/.exec(name)?.[1] ?? []);

/**
 * What is wrong with a language's texts, one sentence each.
 * @param {string} language
 * @returns {string[]}
 */
export function wrongTexts(language) {
  const manifest = read('package.nls.json');
  const expected = { ...manifest, ...Object.fromEntries(textsOfCode().map(text => [text, text])) };
  const given = { ...read(`package.nls.${language}.json`), ...read(`l10n/bundle.l10n.${language}.json`) };
  const marks = (/** @type {string} */ text) => (text.match(/\{\d\}|\]\(command:[^)]*\)/g) ?? []).sort().join();
  return [
    ...Object.keys(expected).flatMap(key => (key in given ? [] : [`${language} lacks ${JSON.stringify(key)}`])),
    ...Object.keys(given).flatMap(key =>
      key in expected ? [] : [`${language} translates what is gone: ${JSON.stringify(key)}`],
    ),
    ...Object.entries(expected).flatMap(([key, text]) =>
      key in given && marks(given[key]) !== marks(text)
        ? [`${language} has other places or links in ${JSON.stringify(key)}`]
        : [],
    ),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wrong = languages().flatMap(wrongTexts);
  for (const line of wrong) console.log(line);
  console.log(`${languages().join(', ')}: ${wrong.length} to correct`);
  if (wrong.length > 0) process.exitCode = 1;
}
