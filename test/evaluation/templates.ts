/**
 * Written questions: short texts of many forms, in which an early line states a name or a value that a later line needs.
 * Pure: the same random numbers give the same texts.
 */

import type { Random } from '../random';

/** Heads are chosen on some questions, and everything is compared on the others. */
export type Split = 'choosing' | 'held';

/** A text whose token at `at` depends on an earlier line. */
export interface Draft {
  readonly kind: 'code' | 'prose';
  /** The form, or the file that a passage is from. */
  readonly source: string;
  readonly text: string;
  /** UTF-16 offset of the answer's first character that is asked for. */
  readonly at: number;
  /** The line that states the answer, from 0. */
  readonly statedLine: number;
}

interface Scene {
  /** Lines, or a few together, that belong to the form, with others that state something of the same kind. */
  readonly lines: readonly string[];
  /** States the answer. */
  readonly stated: string;
  /** How many of `lines` stand before it, at least and at most. */
  readonly within: readonly [number, number];
  /** Up to the place that is asked about. */
  readonly question: string;
  /** The answer, from there on. */
  readonly answer: string;
  /** The rest of its line. */
  readonly rest: string;
}

export interface Form {
  readonly kind: Draft['kind'];
  /** What may stand anywhere else: a line or a few together each. */
  readonly filler: readonly string[];
  readonly draw: (random: Random) => Scene;
}

const surnames = [
  'Ellwood',
  'Pemberton',
  'Castellan',
  'Drummond',
  'Quillfeather',
  'Marchbanks',
  'Threlkeld',
  'Ashdown',
];
const places = [
  'Tarrington',
  'Oakhaven',
  'Brindlemere',
  'Kestrel Bay',
  'Wexcombe',
  'Dunholm',
  'Saltmarsh',
  'Fernleigh',
];
const nouns = ['ledger', 'shipment', 'voxel', 'beacon', 'turbine', 'lattice', 'sensor', 'parcel', 'orchard', 'tariff'];
const verbs = [
  'settle',
  'measure',
  'collect',
  'reduce',
  'archive',
  'compare',
  'balance',
  'resolve',
  'schedule',
  'merge',
];
const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday'];
const ships = ['Perseverance', 'Halcyon', 'Northumbria', 'Albatross', 'Meridian', 'Calliope'];

const capital = (word: string) => word[0]!.toUpperCase() + word.slice(1);

/** Different ones. */
function several<T>(random: Random, items: readonly T[], n: number): T[] {
  const rest = [...items];
  return Array.from({ length: n }, () => rest.splice(random.below(rest.length), 1)[0]!);
}

const number = (random: Random, from: number, to: number) => from + random.below(to - from);

const proseFiller = [
  'The morning was grey and a light rain fell on the roofs.',
  'Nobody had expected the train to be late again.',
  'A few people stood near the door and talked in low voices.',
  'The minutes of the last session were read and approved.',
  'After lunch the windows were opened and the room was aired.',
  'There was some discussion of the price of coal.',
  'The old bridge is closed until the repairs are finished.',
  'Several visitors asked for a map of the grounds.',
  'The garden behind the house had been left to itself for years.',
  'It was agreed that the matter should wait until spring.',
  'The lamps were lit early, for the days were growing short.',
  'A letter had come in the evening, but it was not opened.',
  'Children were playing in the yard beside the school.',
  'The road follows the river for about three miles.',
  'Two of the chairs were broken and had to be carried out.',
  'He put the keys on the table and sat down without a word.',
  'The clerk counted the sheets twice and tied them with string.',
  'Snow had fallen in the night, and the paths were swept at dawn.',
  'The piano in the hall was out of tune.',
  'Most of the seats were taken by half past seven.',
  'She closed the book and looked out over the fields.',
  'The price of a ticket has not changed for years.',
  'A cart stood in the lane with one wheel missing.',
  'The dog slept by the stove and did not stir.',
  'Somebody had left a lantern burning on the stairs.',
  'The well was deep, and the water tasted of iron.',
  'No decision was taken, as too few members were present.',
  'A long table stood under the trees, with benches on both sides.',
  'In the afternoon the wind turned and the smoke came down.',
  'The shop sold rope, candles and paper of every kind.',
];

const tsFiller = [
  'function clamp(value: number, low: number, high: number): number {\n  return Math.min(high, Math.max(low, value));\n}\n',
  'export interface Point {\n  readonly x: number;\n  readonly y: number;\n}\n',
  'const isEven = (n: number) => n % 2 === 0;',
  '// Empty lists are allowed here.\nlet done = false;',
  'for (const name of names) {\n  console.log(name);\n}\n',
  'function sum(values: readonly number[]): number {\n  return values.reduce((a, b) => a + b, 0);\n}\n',
  'try {\n  start();\n} catch (error) {\n  console.error(error);\n}\n',
  'const queue: string[] = [];\nqueue.push("first");',
  'export type Maybe<T> = T | undefined;\n',
  'if (process.argv.length < 3) {\n  process.exit(1);\n}\n',
];

const pyFiller = [
  'def read(path):\n    with open(path) as file:\n        return file.read()\n',
  '# The order of the rows does not matter.\ndef mean(values):\n    return sum(values) / len(values)\n',
  'if len(sys.argv) < 2:\n    sys.exit(1)\n',
  'for name in sorted(os.listdir(".")):\n    print(name)\n',
  'try:\n    data = json.loads(text)\nexcept ValueError:\n    data = None\n',
  'def is_even(n):\n    return n % 2 == 0\n',
  'lines = [line.strip() for line in text.splitlines()]',
  '@dataclass\nclass Point:\n    x: float\n    y: float\n',
];

const yamlFiller = [
  'log:\n  level: warning\n  folder: /var/log/site\n  keep_days: 30',
  'hosts:\n  - localhost\n  - intranet',
  'database:\n  name: main\n  user: reader\n  pool: 5',
  'features:\n  search: true\n  upload: false',
  'mail:\n  from: office\n  enabled: false',
  '# Restart the server after a change.',
  'paths:\n  static: public\n  cache: /tmp/cache',
];

const cFiller = [
  '/* Returns 0 where nothing is left. */\nstatic int next(int i, int n) {\n  return i + 1 < n ? i + 1 : 0;\n}\n',
  '#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))\n',
  'static void swap(int *a, int *b) {\n  int t = *a;\n  *a = *b;\n  *b = t;\n}\n',
  'static double half(double x) {\n  return x / 2.0;\n}\n',
  'for (int i = 0; i < n; i++) {\n  printf("%d\\n", i);\n}\n',
  'if (argc < 2) {\n  fprintf(stderr, "usage\\n");\n  return 1;\n}\n',
];

const sqlFiller = [
  "INSERT INTO regions VALUES (1, 'north');\nINSERT INTO regions VALUES (2, 'south');",
  'SELECT name FROM regions ORDER BY name;',
  "BEGIN;\nUPDATE regions SET name = 'east' WHERE id = 1;\nCOMMIT;",
  'SELECT COUNT(*) FROM regions;',
  '-- Older rows are moved at night.\nDELETE FROM regions WHERE id > 100;',
  'CREATE INDEX by_name ON regions (name);',
];

const shellFiller = [
  'for file in *.txt; do\n  gzip --keep "$file"\ndone',
  'date >> /tmp/last-run',
  'if [ -z "$HOME" ]; then exit 1; fi',
  'mkdir -p /tmp/work\ncd /tmp/work',
  'echo "starting"\nset -e',
  'find . -name "*.bak" -delete',
  'while read -r line; do\n  echo "$line"\ndone < names.txt',
];

const goFiller = [
  'func wait(d time.Duration) {\n\ttime.Sleep(d)\n}\n',
  'func abs(x int) int {\n\tif x < 0 {\n\t\treturn -x\n\t}\n\treturn x\n}\n',
  'type point struct {\n\tx, y float64\n}\n',
  'for i := range lines {\n\tfmt.Println(lines[i])\n}\n',
  '// An empty list is no error.\nvar errEmpty = errors.New("empty")\n',
  'func double(x int) int { return 2 * x }\n',
];

const code = (filler: readonly string[], draw: Form['draw']): Form => ({ kind: 'code', filler, draw });
const prose = (draw: Form['draw']): Form => ({ kind: 'prose', filler: proseFiller, draw });

const constants = code(tsFiller, random => {
  const names = several(random, nouns, 4).map(noun => `max${capital(noun)}s`);
  const values = names.map(() => number(random, 100, 990));
  return {
    lines: names.slice(1).map((name, i) => `const ${name} = ${values[i + 1]};`),
    ...{ stated: `const ${names[0]} = ${values[0]};`, within: [0, 3] },
    ...{ question: `// ${names[0]} is `, answer: String(values[0]), rest: ' by default' },
  };
});

const parameters = code(pyFiller, random => {
  const [verb, other] = several(random, verbs, 2);
  const [noun, second, third] = several(random, nouns, 3);
  return {
    lines: [
      `def ${other}(${third}):\n    return sorted(${third})\n`,
      '# Rounds to two places.',
      '    total = 0\n    for row in rows:\n        total += row.amount',
    ],
    ...{ stated: `def ${verb}(${noun}_index, ${second}_table, rows):`, within: [2, 2] },
    ...{ question: `    return ${second}_table[${noun}`, answer: '_index', rest: ']' },
  };
});

const imports = code(tsFiller, random => {
  const [verb, other] = several(random, verbs, 2);
  const [noun, second] = several(random, nouns, 2);
  return {
    lines: [`import { ${other}${capital(second!)} } from './${second}';`, `import { readFileSync } from 'node:fs';`],
    ...{ stated: `import { ${verb}${capital(noun!)}s } from './${noun}';`, within: [0, 2] },
    ...{ question: `const result = ${verb}`, answer: `${capital(noun!)}s`, rest: '(points);' },
  };
});

const settings = code(yamlFiller, random => {
  const keys = several(random, ['port', 'timeout', 'retries', 'workers', 'cache_size', 'batch'], 4);
  const values = keys.map(() => number(random, 1000, 9900));
  return {
    lines: ['# settings of the local server', ...keys.slice(1).map((key, i) => `${key}: ${values[i + 1]}`)],
    ...{ stated: `${keys[0]}: ${values[0]}`, within: [1, 4] },
    ...{ question: `# With ${keys[0]}: `, answer: String(values[0]), rest: ' all tests pass.' },
  };
});

const fields = code(pyFiller, random => {
  const [owner, first, second, third] = several(random, nouns, 4);
  return {
    lines: [
      `class ${capital(owner!)}:\n    def __init__(self, size):`,
      '        self.size = size',
      `        self.${second}_list = []`,
      `        self.${third}_map = {}`,
      '\n    def clear(self):\n        self.size = 0\n',
      '    def describe(self):\n        text = "size " + str(self.size)\n        return text\n',
    ],
    ...{ stated: `        self.last_${first} = None`, within: [1, 4] },
    ...{ question: '        return self.last_', answer: first!, rest: ' or self.size' },
  };
});

const enumeration = code(tsFiller, random => {
  const [owner, ...names] = several(random, nouns, 5);
  const values = several(random, [11, 17, 23, 29, 31, 37, 41, 53], 4);
  return {
    lines: [
      `enum ${capital(owner!)}Kind {`,
      ...names.slice(1).map((name, i) => `  ${capital(name)} = ${values[i + 1]},`),
      '}\n',
    ],
    ...{ stated: `  ${capital(names[0]!)} = ${values[0]},`, within: [1, 4] },
    ...{ question: `  case ${values[0]}: return ${capital(owner!)}Kind.`, answer: capital(names[0]!), rest: ';' },
  };
});

const table = code(sqlFiller, random => {
  const [first, second, column] = several(random, nouns, 3);
  return {
    lines: [
      `CREATE TABLE ${second}s (id INTEGER, name TEXT);`,
      '-- Names are unique in each year.',
      `SELECT COUNT(*) FROM ${second}s;`,
    ],
    ...{ stated: `CREATE TABLE ${first}s (id INTEGER, ${column}_year INTEGER, price REAL);`, within: [0, 3] },
    ...{ question: `SELECT price FROM ${first}s WHERE ${column}`, answer: '_year' },
    rest: ` = ${number(random, 1950, 2020)};`,
  };
});

const shell = code(shellFiller, random => {
  const [first, second] = several(random, nouns, 2).map(noun => noun.toUpperCase());
  return {
    lines: ['#!/bin/sh', `${second}_LOG=/tmp/last.log`, `echo "log: $${second}_LOG"`],
    ...{ stated: `${first}_DIR=/srv/archive/old`, within: [1, 3] },
    ...{ question: `cp result.txt "$${first}`, answer: '_DIR', rest: '"' },
  };
});

const struct = code(cFiller, random => {
  const [owner, first, second, other] = several(random, nouns, 4);
  return {
    lines: [
      '#include <stdio.h>\n#include <stdlib.h>\n',
      `struct ${other} {\n  int width;\n  int height;\n};\n`,
      `static int area(const struct ${other} *o) {\n  return o->width * o->height;\n}\n`,
    ],
    ...{ stated: `struct ${owner} { float ${first}_gain; int ${second}_count; };`, within: [1, 3] },
    ...{ question: `  if (p->${second}`, answer: '_count', rest: ' == 0) return 0;' },
  };
});

const goConstants = code(goFiller, random => {
  const names = several(random, nouns, 3).map(noun => `default${capital(noun)}`);
  const values = names.map(() => number(random, 200, 900));
  return {
    lines: [
      'package limits\n',
      'import "time"\n',
      ...names.slice(1).map((name, i) => `const ${name} = ${values[i + 1]}`),
    ],
    ...{ stated: `const ${names[0]} = ${values[0]}`, within: [2, 4] },
    ...{ question: `// ${values[0]} seconds is the value of default`, answer: names[0]!.slice(7), rest: ' here.' },
  };
});

const tests = code(tsFiller, random => {
  const [first, second] = several(random, nouns, 2);
  const [one, two] = [number(random, 1000, 9900), number(random, 1000, 9900)];
  return {
    lines: [
      `it('counts every ${second}', () => {\n  expect(count(${second}s)).toBe(${two});\n});\n`,
      "it('reads an empty list', () => {\n  expect(read([])).toEqual([]);\n});\n",
    ],
    ...{ stated: `const ${first}s = load('${first}s.csv'); // ${one} rows`, within: [0, 2] },
    ...{ question: `  expect(${first}s.length).toBe(`, answer: String(one), rest: ');' },
  };
});

const homes = prose(random => {
  const [who, other] = several(random, surnames, 2);
  const [where, elsewhere] = several(random, places, 2);
  return {
    lines: [`Mr. ${other} lived in ${elsewhere} with his sister.`, ...several(random, proseFiller, 4)],
    ...{ stated: `Miss ${who} came from ${where}, where her father kept a shop.`, within: [0, 5] },
    ...{ question: `In the end Miss ${who} went back to `, answer: where!, rest: ' alone.' },
  };
});

const meeting = prose(random => {
  const rooms = several(random, [114, 127, 208, 214, 233, 319, 342], 2);
  const day = random.pick(days);
  return {
    lines: [`The library is open in room ${rooms[1]}.`, ...several(random, proseFiller, 4)],
    ...{ stated: `The meeting on ${day} is in room ${rooms[0]}.`, within: [0, 5] },
    ...{ question: `Please come to the meeting on ${day} in room `, answer: String(rooms[0]), rest: ' at noon.' },
  };
});

const figures = prose(random => {
  const names = several(random, places, 5);
  const values = names.map(() => number(random, 100, 999));
  return {
    lines: names.slice(1).map((name, i) => `- ${name}: ${values[i + 1]} tons`),
    ...{ stated: `- ${names[0]}: ${values[0]} tons`, within: [0, 4] },
    ...{ question: `The figure given for ${names[0]} is `, answer: String(values[0]), rest: ' tons.' },
  };
});

const recipe = prose(random => {
  const goods = several(random, ['flour', 'sugar', 'butter', 'oats', 'almonds', 'raisins'], 4);
  const amounts = several(random, [120, 140, 175, 225, 260, 310, 350], 4);
  return {
    lines: [
      '## What you need',
      ...goods.slice(1).map((good, i) => `* ${amounts[i + 1]} g of ${good}`),
      '## What to do\nHeat the oven and butter a deep tin.',
      'Mix the dry things in a large bowl.\nStir until no lumps are left, then let it rest.',
      'A pinch of salt does no harm.\nBake for about an hour, and test with a needle.',
    ],
    ...{ stated: `* ${amounts[0]} g of ${goods[0]}`, within: [1, 4] },
    ...{
      question: `Keep a spoon of ${goods[0]} back from the `,
      answer: String(amounts[0]),
      rest: ' g for the board.',
    },
  };
});

const ship = prose(random => {
  const [name, other] = several(random, ships, 2);
  return {
    lines: [`A smaller vessel, the ${other}, lay at the pier.`, ...several(random, proseFiller, 4)],
    ...{ stated: `The captain had sailed for years in a ship called the ${name}.`, within: [0, 5] },
    ...{ question: 'That night the captain dreamt that his ship, the ', answer: name!, rest: ', was on fire.' },
  };
});

const glossary = prose(random => {
  const terms = several(random, ['gudgeon', 'tarboosh', 'quoin', 'spandrel', 'limber', 'mullion', 'corbel'], 4);
  const meanings = ['a kind of pin', 'a wedge of wood', 'a slender bar', 'a flat stone', 'a small arch'];
  const meant = several(random, meanings, 4);
  return {
    lines: terms.slice(1).map((term, i) => `*${term}*: ${meant[i + 1]}.`),
    ...{ stated: `*${terms[0]}*: ${meant[0]}.`, within: [0, 3] },
    ...{ question: `As the list says, ${meant[0]} is called a `, answer: terms[0]!, rest: '.' },
  };
});

const dialogue = prose(random => {
  const [who, other] = several(random, surnames, 2);
  const [first, second] = several(random, places, 2);
  return {
    lines: [
      `"I have never been to ${second}," said Mrs. ${other}.`,
      ...several(random, proseFiller, 3),
      '"You should see a doctor about that," he said.',
    ],
    ...{ stated: `"My name is ${who}," said the doctor, "and I have a practice in ${first}."`, within: [0, 4] },
    ...{ question: '"Then I will write to Doctor ', answer: who!, rest: '," she answered.' },
  };
});

const limits = prose(random => {
  const [what, other] = several(random, nouns, 2);
  const [limit, second] = several(random, [160, 256, 384, 512, 640, 768], 2);
  return {
    lines: [
      '# Limits of the service',
      `A ${other} holds at most ${second} entries.`,
      'Requests are answered in the order in which they arrive.',
      'A client that sends too much is told to wait.\nNames may hold letters, digits and dashes.',
      'Times are in seconds unless another unit is given.',
    ],
    ...{ stated: `A ${what} holds at most ${limit} entries.`, within: [1, 4] },
    ...{ question: `An error is reported when a ${what} has more than `, answer: String(limit), rest: ' entries.' },
  };
});

const letters = prose(random => {
  const [from, to] = several(random, surnames, 2);
  const where = random.pick(places);
  const street = random.pick(['Mill Lane', 'Harbour Street', 'Church Row', 'Station Road']);
  const house = number(random, 20, 99);
  return {
    lines: [`Dear Mr. ${to},`, ...several(random, proseFiller, 4)],
    ...{ stated: `You will find me at ${house} ${street}, ${where}, until the end of May.`, within: [1, 5] },
    ...{ question: `Please send the answer to ${street}, `, answer: where, rest: `, to Mr. ${from}.` },
  };
});

/** Heads are chosen on texts of other forms than those on which they are compared. */
export const formsOf: Readonly<Record<Split, Readonly<Record<string, Form>>>> = {
  choosing: { constants, fields, shell, goConstants, homes, figures, dialogue, letters },
  held: {
    ...{ parameters, imports, settings, enumeration, table, struct, tests },
    ...{ meeting, recipe, ship, glossary, limits },
  },
};

/** Characters of a written text up to its question, at least and at most. */
const reach = [400, 760] as const;

/** One text of a form, filled up between what it states and its question; prose also before. */
export function draftOf(name: string, { kind, filler, draw }: Form, random: Random): Draft {
  const { lines, stated, within, question, answer, rest } = draw(random);
  const nBefore = number(random, within[0], within[1] + 1);
  const core = [...lines.slice(0, nBefore), stated, ...lines.slice(nBefore)];
  const least = number(random, ...reach);
  const others = several(random, filler, filler.length).filter(block => !core.includes(block));
  const [first, last]: [string[], string[]] = [[], []];
  for (let size = core.join('\n').length; size < least && others.length > 0; ) {
    const block = others.pop()!;
    size += block.length + 1;
    (kind === 'prose' && random.below(4) === 0 ? first : last).push(block);
  }
  const before = [...first, ...core, ...last].map(block => `${block}\n`).join('');
  return {
    ...{ kind, source: name, at: before.length + question.length },
    statedLine: before.slice(0, before.indexOf(`${stated}\n`)).split('\n').length - 1,
    text: `${before}${question}${answer}${rest}\n${kind === 'code' ? '' : 'Nothing more was said.\n'}`,
  };
}
