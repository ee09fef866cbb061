// The documentation site, from the Markdown files of this repository as they are: they read the same on the site and in a
// checkout. A link that leads nowhere fails the build.
import { dirname, join } from 'node:path/posix';
import { defineConfig } from 'vitepress';

const read = name => ({ text: name[0], link: name[1] });
const group = (text, ...pages) => ({ text, items: pages.map(read) });

/** Where the files of the repository can be read, ending in `/`; without it, links to them are text on the site. */
const content = process.env.MTA_CONTENT_URL;

/** A link to anything but a page of the site, such as a source file, leads to the repository. */
function linkFilesOutside(state) {
  const folder = dirname(state.env.relativePath ?? '');
  for (const block of state.tokens) {
    let isText = false;
    for (const token of block.children ?? []) {
      if (token.type === 'link_open') {
        const target = token.attrGet('href') ?? '';
        if (/^([a-z]+:|#)|\.md(#|$)/i.test(target)) continue;
        isText = content === undefined;
        if (isText) token.tag = 'span';
        token.attrs = isText ? [] : [['href', new URL(join(folder, target), content).href]];
      } else if (token.type === 'link_close' && isText) {
        token.tag = 'span';
        isText = false;
      }
    }
  }
}

export default defineConfig({
  title: 'MTA Inspector',
  description: 'See how a language model finds its context, and whether it mattered.',
  srcDir: '../..',
  srcExclude: [
    '**/node_modules/**',
    '.github/**',
    'samples/**',
    'test/**',
    'test-results/**',
    'dist/**',
    'CODE_OF_CONDUCT.md',
    'models/export/notes/**',
  ],
  rewrites: { 'README.md': 'index.md' },
  cleanUrls: true,
  markdown: { config: md => md.core.ruler.push('files-outside', linkFilesOutside) },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [
      group(
        'Use',
        ['Start', '/'],
        ['Settings', '/docs/settings'],
        ['Command line', '/docs/command-line'],
        ['Models', '/models/README'],
        ['Troubleshooting', '/docs/troubleshooting'],
        ['Questions', '/docs/faq'],
        ['Glossary', '/docs/glossary'],
      ),
      group(
        'User guide',
        ['Contents', '/docs/guide'],
        ['Inspect a document', '/docs/guide/inspect'],
        ['The map and its stages', '/docs/guide/stages'],
        ['Views', '/docs/guide/views'],
        ['In the text', '/docs/guide/in-the-text'],
        ['Measures and kinds of heads', '/docs/guide/heads'],
        ['Heads that find context', '/docs/guide/context-heads'],
        ['What weights move', '/docs/guide/weights'],
        ['Relevance', '/docs/guide/relevance-measures'],
        ['What a logit is made of', '/docs/guide/attribution'],
        ['What the model used', '/docs/guide/experiments'],
        ['Kinds of kernels', '/docs/guide/kernels'],
        ['Models', '/docs/guide/models'],
        ['Hugging Face families', '/docs/guide/families'],
        ['GGUF files', '/docs/guide/gguf'],
        ['ONNX files', '/docs/guide/onnx'],
        ['On a server', '/docs/guide/server'],
        ['Exports', '/docs/guide/exports'],
        ['Assistants, extensions', '/docs/guide/others'],
      ),
      {
        ...group(
          'Each view',
          ['Why', '/docs/guide/views/why'],
          ['Context', '/docs/guide/views/context'],
          ['Tokens', '/docs/guide/views/tokens'],
          ['All heads', '/docs/guide/views/all-heads'],
          ['Kernels', '/docs/guide/views/kernels'],
          ['Map', '/docs/guide/views/map'],
          ['Stages', '/docs/guide/views/stages'],
          ['Layer', '/docs/guide/views/layer'],
          ['Table', '/docs/guide/views/table'],
          ['Places', '/docs/guide/views/places'],
          ['Selected row', '/docs/guide/views/selected-row'],
          ['Lens', '/docs/guide/views/lens'],
          ['Head off', '/docs/guide/views/head-off'],
          ['Kernels changed', '/docs/guide/views/kernels-changed'],
          ['Line hidden', '/docs/guide/views/line-hidden'],
          ['Edges forbidden', '/docs/guide/views/edges-forbidden'],
          ['Other text or model', '/docs/guide/views/other-text-or-model'],
          ['Part of another text', '/docs/guide/views/part-of-another-text'],
          ['Result', '/docs/guide/views/result'],
          ['Export', '/docs/guide/views/export'],
          ['Models', '/docs/guide/views/models'],
        ),
        collapsed: true,
      },
      {
        ...group(
          'Measures of heads',
          ['Finds context', '/docs/guide/measures/finds-context'],
          ['Induction', '/docs/guide/measures/induction'],
          ['Duplicate token', '/docs/guide/measures/duplicate-token'],
          ['Copying', '/docs/guide/measures/copying'],
          ['Previous token', '/docs/guide/measures/previous-token'],
          ['Own token', '/docs/guide/measures/own-token'],
          ['Share of the first token', '/docs/guide/measures/first-token'],
          ['Near tokens', '/docs/guide/measures/near-tokens'],
          ['Mean distance', '/docs/guide/measures/mean-distance'],
          ['Entropy', '/docs/guide/measures/entropy'],
          ['Evenness', '/docs/guide/measures/evenness'],
          ['Changed before softmax', '/docs/guide/measures/changed-before-softmax'],
          ['Changed after softmax', '/docs/guide/measures/changed-after-softmax'],
        ),
        collapsed: true,
      },
      group(
        'How to',
        ['Why this token?', '/docs/how-to/why-this-token'],
        ['Which head does induction?', '/docs/how-to/which-head-does-induction'],
        ['What does a convolution do?', '/docs/how-to/what-does-a-convolution-do'],
        ['Which lines matter?', '/docs/how-to/which-lines-matter'],
        ['Compare checkpoints', '/docs/how-to/compare-checkpoints'],
      ),
      group(
        'For',
        ['Researchers', '/docs/for-researchers'],
        ['Engineers who train MTA', '/docs/for-engineers'],
        ['Teachers: a lesson', '/docs/lesson'],
        ['Authors of extensions', '/docs/for-extension-authors'],
      ),
      group(
        'Models in the box',
        ['mta-base', '/models/bundled/mta-base/README'],
        ['toy-mta-n5', '/models/bundled/toy-mta-n5/README'],
        ['toy-transformer-n5', '/models/bundled/toy-transformer-n5/README'],
        ['transformer-base', '/models/comparison/transformer-base/README'],
        ['What kernels learn', '/docs/findings'],
      ),
      group(
        'Reference',
        ['Formats and identifiers', '/docs/formats'],
        ['API', '/docs/api/index'],
        ['Which relevance is honest', '/docs/relevance'],
        ['Serving', '/models/serving/README'],
      ),
      group(
        'Trust',
        ['Security', '/SECURITY'],
        ['What was attacked', '/docs/attacks'],
        ['What proves it', '/docs/claims'],
        ['Measurements', '/docs/measurements'],
      ),
      group(
        'Develop',
        ['Developer guide', '/docs/developing'],
        ['Architecture', '/docs/architecture'],
        ['Contributing', '/CONTRIBUTING'],
        ['Changelog', '/CHANGELOG'],
      ),
    ],
  },
});
