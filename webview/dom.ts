/** The few lines of DOM help that the components share. Text only ever enters as text. */

/** Makes an element; attributes whose value is undefined or false are left out. There is no way to pass markup. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string | number | boolean | undefined>> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children);
  return element;
}

/** Calls `draw` only when one of its inputs is another one than before; objects and arrays compare by identity. */
export function onChange<T extends readonly unknown[]>(draw: (...inputs: T) => void): (...inputs: T) => void {
  let last: T | undefined;
  return (...inputs) => {
    if (last?.every((input, i) => Object.is(input, inputs[i]))) return;
    last = inputs;
    draw(...inputs);
  };
}

/** The result for the last inputs is kept; inputs compare as in `onChange`. */
export function keepLast<T extends readonly unknown[], Result>(
  make: (...inputs: T) => Result,
): (...inputs: T) => Result {
  let last: { readonly inputs: T; readonly result: Result } | undefined;
  return (...inputs) => {
    if (!last?.inputs.every((input, i) => Object.is(input, inputs[i]))) last = { inputs, result: make(...inputs) };
    return last!.result;
  };
}

const takesFocus = ['a[href]', 'button', 'input', 'select', '[tabindex]', 'vscode-button', 'vscode-checkbox'].join();

/**
 * Gives an element other children. The focus, where one of the old ones had it, goes to the one of the same name, else to
 * the one in its place: who works with the keyboard goes on from there.
 */
export function redraw(parent: Element, ...children: (Node | string)[]): void {
  const all = () => [...parent.querySelectorAll<HTMLElement>(takesFocus)];
  const focused = document.activeElement as HTMLElement | null;
  const index = focused && parent.contains(focused) ? all().indexOf(focused) : -1;
  parent.replaceChildren(...children);
  if (!focused || index < 0) return;
  const now = all().filter(element => !element.hasAttribute('disabled'));
  const isSame = (element: HTMLElement | undefined) => element !== undefined && nameOf(element) === nameOf(focused);
  const inPlace = now[Math.min(index, now.length - 1)];
  const next = isSame(inPlace) ? inPlace : (now.find(isSame) ?? inPlace);
  next?.focus({ preventScroll: true });
}

/** What identifies an element among its neighbors, also after it was replaced. */
function nameOf(element: HTMLElement): string | null {
  return element.dataset['key'] ?? element.dataset['name'] ?? element.getAttribute('aria-label') ?? element.textContent;
}
