// Texts of the panel that people see although they do not go through `t('…')`: what a translation would miss.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'acorn';
import { transformSync } from 'esbuild';
import { root } from './setup.mjs';

/** @typedef {{ type: string, [key: string]: any }} Node of the syntax tree */

/** Properties and attributes that are shown or read out. */
const shownNames =
  /^(aria-label|aria-roledescription|aria-valuetext|title|placeholder|label|hint|what|textContent|text)$/;
/** Words: letters, a space or a sign, letters again; or one word with a capital. */
const words = /\p{L}[,.:;’”)]*\s+[(“]?\p{L}|^\p{Lu}\p{Ll}/u;
/** Names of keys, formats and things that are called the same everywhere. */
const sameEverywhere =
  /^linear-gradient\(|^(Arrow(Up|Down|Left|Right)|Home|End|Escape|Enter|Page(Up|Down)|Shift|Tab|NaN|PNG|SVG|CSV|JSON|HTML|NumPy|GitHub)$/;

/**
 * @param {string} source TypeScript
 * @returns {string[]} the texts
 */
export function untranslated(source) {
  const { code } = transformSync(source, { loader: 'ts', target: 'esnext' });
  /** @type {string[]} */
  const found = [];
  visit(/** @type {any} */ (parse(code, { ecmaVersion: 'latest', sourceType: 'module' })), false, found);
  return found;
}

/**
 * @param {Node} node
 * @param {boolean} isShown whether it stands where only what is shown stands
 * @param {string[]} found
 * @returns {void}
 */
function visit(node, isShown, found) {
  const text = textOf(node);
  if (text !== undefined) {
    const isText = isShown ? /\p{L}{2}/u.test(text) : words.test(text);
    if (isText && !sameEverywhere.test(text)) found.push(text);
  }
  const go = (/** @type {Node | null | undefined} */ child, shown = isShown) => {
    if (child) visit(child, shown, found);
  };
  const all = (/** @type {Node[]} */ children, /** @type {boolean} */ shown) => {
    for (const child of children) go(child, shown);
  };
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ThrowStatement': // read by programmers
      return;
    case 'CallExpression': {
      const name = node.callee.name ?? node.callee.property?.name;
      if (name === 't') return all(node.arguments.slice(1), true);
      if (node.callee.type === 'MemberExpression') go(node.callee.object, false);
      const attribute = name === 'setAttribute' ? node.arguments[0].value : undefined;
      if (attribute && !shownNames.test(attribute)) return;
      // h(tag, attributes, ...children)
      const nOthers = name === 'h' ? 2 : attribute === undefined ? node.arguments.length : 1;
      all(node.arguments.slice(0, nOthers), false);
      return all(node.arguments.slice(nOthers), true);
    }
    case 'Property': {
      const key = node.key.name ?? node.key.value;
      return key === 'class' || key === 'id' ? undefined : go(node.value, shownNames.test(key));
    }
    case 'AssignmentExpression':
      return go(node.right, shownNames.test(node.left.property?.name ?? ''));
    case 'BinaryExpression':
      if (node.operator !== '+') return;
      break;
    case 'ConditionalExpression':
      go(node.consequent);
      return go(node.alternate);
    case 'MemberExpression':
      return go(node.object, false);
    case 'SwitchCase':
      return all(node.consequent, false);
    case 'ArrowFunctionExpression':
    case 'FunctionExpression':
      return go(node.body, isShown && node.body.type !== 'BlockStatement');
  }
  for (const child of Object.values(node).flat()) if (typeof child?.type === 'string') go(child);
}

/** @param {Node} node @returns {string | undefined} with {} where a template has a value */
function textOf(node) {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node.type !== 'TemplateLiteral') return undefined;
  return node.quasis.map((/** @type {Node} */ quasi) => quasi['value'].cooked).join('{}');
}

/** Shaders, and the page of a report, whose texts are English. */
const others = /^(heatmap[\\/](shaders|strongestWindows)|report)\.ts$/;

/** @returns {string[]} a line per text of the panel's code */
export function untranslatedPanelTexts() {
  const folder = join(root, 'webview');
  return readdirSync(folder, { encoding: 'utf8', recursive: true })
    .filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts') && !others.test(name))
    .flatMap(name =>
      untranslated(readFileSync(join(folder, name), 'utf8')).map(text => `webview/${name}: ${JSON.stringify(text)}`),
    );
}
