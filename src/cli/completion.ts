/** Scripts by which shells complete commands, options and their values. Pure. */

import { quantizedWeights } from '../shared/analysis';
import { patchKinds } from '../shared/interventions';
import { stages } from '../shared/operators';
import { exportFormats } from '../shared/panel/exportFormats';
import { occlusionModes, quantities, relevanceMethods, rowKinds } from '../shared/relevance';
import { replacements } from './ablateParts';
import { measureNames } from './heads';
import { rangeUnits } from './knockOut';
import { type CommandName, type CommandSyntax, type OptionName, options, syntax } from './options';
import { toyAnswers } from './toy';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** Options whose values are words of a list. */
const valuesOf: Partial<Readonly<Record<OptionName, readonly string[]>>> = {
  provider: ['auto', 'cpu', 'webgpu', 'cuda', 'dml', 'coreml'],
  'quantized-weights': quantizedWeights,
  row: rowKinds,
  what: patchKinds,
  with: replacements,
  unit: rangeUnits,
  stage: stages,
  format: exportFormats,
  method: relevanceMethods,
  quantity: quantities,
  direction: ['attends', 'attendedBy'],
  occlude: occlusionModes,
  by: [...measureNames.keys()],
  answer: toyAnswers,
  dtype: ['fp32', 'fp16'],
};

const commands = Object.entries(syntax) as [CommandName, CommandSyntax][];

const isSwitch = (command: CommandName, name: OptionName) =>
  !('value' in options[name]) || (command === 'models' && name === 'json');

/** What `mta-inspect completion SHELL` prints. */
export function completionScript(shell: Shell): string {
  return { bash, zsh, fish }[shell]();
}

const words = (list: readonly string[]) => list.join(' ');

function bash(): string {
  const values = Object.entries(valuesOf).map(
    ([name, list]) => `    --${name}) COMPREPLY=($(compgen -W "${words(list)}" -- "$word")); return ;;`,
  );
  const taken = commands.map(([command, { takes, options: names }]) => {
    const list = [...names.map(name => `--${name}`), '--help', ...(takes === 'SHELL' ? shells : [])];
    return `    ${command}) list="${words(list)}" ;;`;
  });
  return `# mta-inspect completion bash >> ~/.bashrc
_mta_inspect() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" list=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words(commands.map(([command]) => command))} --help --version" -- "$word"))
    return
  fi
  case "$before" in
${values.join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${taken.join('\n')}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$list" -- "$word")) ;;
    *) if [ "\${COMP_WORDS[1]}" = completion ]; then COMPREPLY=($(compgen -W "$list" -- "$word")); fi ;;
  esac
}
complete -o default -F _mta_inspect mta-inspect
`;
}

/** Inside single quotes; brackets and colons have a meaning in zsh's descriptions. */
const zshText = (text: string) => text.replaceAll("'", "'\\''").replaceAll(/[[\]:\\]/g, '\\$&');

function zsh(): string {
  const described = commands.map(([command, { summary }]) => `    '${command}:${zshText(summary)}'`);
  const cases = commands.map(([command, { takes, options: names }]) => {
    const specs = names.map(name => {
      const list = valuesOf[name];
      const action = isSwitch(command, name) ? '' : `:${zshText(name)}:${list ? `(${words(list)})` : '_files'}`;
      return `'--${name}[${zshText(options[name].help)}]${action}'`;
    });
    const rest = takes === 'SHELL' ? `'1:shell:(${words(shells)})'` : "'*:file:_files'";
    return `    ${command}) _arguments ${[...specs, rest].join(' ')} ;;`;
  });
  return `#compdef mta-inspect
# mta-inspect completion zsh > a folder of $fpath/_mta-inspect
_mta_inspect() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "\${words[1]}" in
${cases.join('\n')}
  esac
}
compdef _mta_inspect mta-inspect
`;
}

const fishText = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fish(): string {
  const lines = commands.flatMap(([command, { takes, summary, options: names }]) => {
    const of = `complete -c mta-inspect -n '__fish_seen_subcommand_from ${command}'`;
    return [
      `complete -c mta-inspect -n __fish_use_subcommand -f -a ${command} -d ${fishText(summary)}`,
      ...names.map(name => {
        const list = valuesOf[name];
        const value = isSwitch(command, name) ? '' : list ? ` -x -a ${fishText(words(list))}` : ' -r';
        return `${of} -l ${name}${value} -d ${fishText(options[name].help)}`;
      }),
      ...(takes === 'SHELL' ? [`${of} -f -a ${fishText(words(shells))}`] : []),
    ];
  });
  return `# mta-inspect completion fish > ~/.config/fish/completions/mta-inspect.fish\n${lines.join('\n')}\n`;
}
