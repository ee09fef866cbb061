/**
 * The controls, made with @vscode/webview-ui-toolkit. Nothing else imports it: the toolkit is no longer developed, and
 * its successor goes here.
 */

import {
  type Button,
  type Checkbox,
  type Dropdown,
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDropdown,
  vsCodeOption,
} from '@vscode/webview-ui-toolkit';
import { isSame } from '../src/shared/tools/isSame';
import { h } from './dom';

export function registerControls(): void {
  provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeCheckbox(), vsCodeDropdown(), vsCodeOption());
}

export function button(
  label: string,
  appearance: 'primary' | 'secondary' | 'icon',
  onClick: () => void,
  ariaLabel = label,
): HTMLElement {
  const element = h('vscode-button' as 'button', { appearance, 'aria-label': ariaLabel, title: ariaLabel }, label);
  element.addEventListener('click', onClick);
  return element as unknown as Button;
}

export interface CheckboxControl {
  readonly element: HTMLElement;
  set(isChecked: boolean, isEnabled: boolean, title: string): void;
}

export function checkbox(label: string, onChange: (isChecked: boolean) => void): CheckboxControl {
  const element = h('vscode-checkbox' as 'input', {}, label) as unknown as Checkbox;
  let isSetting = false;
  element.addEventListener('change', () => {
    if (!isSetting) onChange(element.checked);
  });
  return {
    element,
    set(isChecked, isEnabled, title) {
      isSetting = true; // The toolkit reports a change by code as it does one by hand.
      element.checked = isChecked;
      element.disabled = !isEnabled;
      element.title = title;
      isSetting = false;
    },
  };
}

export interface DropdownOption {
  readonly value: string;
  readonly label: string;
  readonly isDisabled?: boolean;
}

export interface DropdownControl {
  readonly element: HTMLElement;
  /** @param shown what stands in the closed control, where that is shorter than the option's label. */
  set(options: readonly DropdownOption[], value: string, shown?: string): void;
}

/** A dropdown with its visible label above it. @param position of its list, where what is above the control is cut off. */
export function dropdown(
  name: string,
  label: string,
  onChange: (value: string) => void,
  position?: 'below',
): DropdownControl {
  const id = `${name}-label`;
  const element = h('vscode-dropdown' as 'select', { 'aria-labelledby': id, 'data-picker': name, position });
  const field = h('div', { class: `field field-${name}` }, h('label', { id }, label), element);
  let shownOptions: readonly DropdownOption[] = [];
  const chosen = h('span', { slot: 'selected-value' });
  element.addEventListener('change', () => onChange(element.value));
  leaveShortcutsAlone(element as unknown as KeyHandler);
  return {
    element: field,
    set(options, value, shown) {
      if (!isSame(options, shownOptions)) {
        shownOptions = options;
        element.replaceChildren(
          ...options.map(option => toOption(option, value)),
          ...(shown === undefined ? [] : [chosen]),
        );
      }
      if (shown !== undefined && chosen.textContent !== shown) chosen.textContent = shown;
      // New options take part only after the toolkit's next update.
      if (element.value !== value)
        requestAnimationFrame(() => (element as unknown as Dropdown).setAttribute('value', value));
      element.value = value;
    },
  };
}

interface KeyHandler {
  /** @returns true where the key keeps its usual effect. */
  keydownHandler(event: KeyboardEvent): boolean | undefined;
}

/** The toolkit takes a letter for the beginning of an option with Ctrl, too: Ctrl+G would choose "Gated pattern". */
function leaveShortcutsAlone(element: KeyHandler): void {
  const handle = element.keydownHandler;
  element.keydownHandler = event =>
    event.key.length === 1 && (event.ctrlKey || event.metaKey || event.altKey) ? true : handle.call(element, event);
}

export function progressRing(label: string): HTMLElement {
  return h('span', { class: 'progress-ring', role: 'progressbar', 'aria-label': label });
}

function toOption({ value, label, isDisabled }: DropdownOption, selected: string): HTMLElement {
  return h('vscode-option' as 'option', { value, disabled: isDisabled, selected: value === selected }, label);
}
