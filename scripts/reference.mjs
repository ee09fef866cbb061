// `npm run reference`: an API reference made of the docstrings, in dist/reference.md.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

/** Folders whose exported things must all have a docstring, and the interface for other extensions. */
const folders = [
  'api',
  'src/api',
  'src/shared',
  'src/attention',
  'src/tokenization',
  'src/graph',
  'src/inference',
  'src/analysis',
];

/** A docstring, if any, and the exported declaration behind it up to its body. */
const exported =
  /(?:^\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n)?^(export (?:declare )?(?:abstract )?(?:async )?(?:function|class|interface|type|const)\s[^\n]*(?:\n {2}[^\n]*)*?)(?=\s*(?:\{\n|=>|;\n|=\s|$))/gm;

/** @param {string} comment */
const textOf = comment =>
  comment
    .split('\n')
    .map(line => line.replace(/^\s*\*? ?/, ''))
    .join('\n')
    .trim();

/** @param {string} file */
function sectionOf(file) {
  const source = readFileSync(join(root, file), 'utf8');
  const [, head = ''] = /^\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n\n/.exec(source) ?? [];
  const entries = [...source.matchAll(exported)].map(([, comment = '', declaration = '']) => {
    const signature = declaration.replace(/^export (declare )?/, '').replace(/\s*[={]?\s*$/, '');
    return `\`\`\`ts\n${signature}\n\`\`\`\n\n${textOf(comment)}\n`;
  });
  return entries.length === 0 ? '' : `### ${file}\n\n${textOf(head)}\n\n${entries.join('\n')}`;
}

const sections = folders.map(folder => {
  const files = readdirSync(join(root, folder)).filter(name => name.endsWith('.ts'));
  return `## ${folder}\n\n${files.map(name => sectionOf(`${folder}/${name}`)).join('\n')}`;
});
mkdirSync(join(root, 'dist'), { recursive: true });
writeFileSync(
  join(root, 'dist', 'reference.md'),
  `# API reference\n\nMade of the docstrings.\n\n${sections.join('\n')}`,
);
console.log('The reference is dist/reference.md.');
