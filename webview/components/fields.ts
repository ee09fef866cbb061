/** Plain fields with their labels, for what the toolkit's controls do not cover. */

import { h } from '../dom';

let nextId = 1;

export interface Choice<Value extends string> {
  readonly value: Value;
  readonly label: string;
}

/** A few choices of which one holds, all of them in sight. */
export function radioGroup<Value extends string>(
  legend: string,
  choices: readonly Choice<Value>[],
  onChange: (value: Value) => void,
): { readonly element: HTMLElement; set(value: Value): void } {
  const name = `radio-${nextId++}`;
  const inputs = choices.map(({ value }) => h('input', { type: 'radio', name, value }));
  const labels = choices.map(({ label }, i) => h('label', { class: 'radio' }, inputs[i]!, label));
  const element = h('fieldset', { class: 'radio-group' }, h('legend', {}, legend), ...labels);
  element.addEventListener('change', event => onChange((event.target as HTMLInputElement).value as Value));
  return {
    element,
    set(value) {
      for (const input of inputs) input.checked = input.value === value;
    },
  };
}

/** One line of text. `onInput` may answer with what is wrong with it, which is then said beside it. */
export function textField(
  label: string,
  onInput: (text: string) => string | undefined,
  options: { readonly placeholder?: string; readonly on?: 'input' | 'change' } = {},
): { readonly element: HTMLElement; readonly input: HTMLInputElement; set(text: string): void } {
  const id = `text-${nextId++}`;
  const input = h('input', {
    ...{ id, class: 'text-input', type: 'text', spellcheck: 'false', autocomplete: 'off' },
    ...{ placeholder: options.placeholder, 'aria-describedby': `${id}-problem` },
  });
  const problem = h('div', { id: `${id}-problem`, class: 'field-problem', role: 'alert' });
  input.addEventListener(options.on ?? 'input', () => {
    const wrong = onInput(input.value);
    problem.textContent = wrong ?? '';
    input.setAttribute('aria-invalid', String(wrong !== undefined));
  });
  return {
    element: h('div', { class: 'field' }, h('label', { for: id }, label), input, problem),
    input,
    set(text) {
      if (document.activeElement === input) return; // not under the reader's hands
      input.value = text;
      problem.textContent = '';
      input.setAttribute('aria-invalid', 'false');
    },
  };
}
