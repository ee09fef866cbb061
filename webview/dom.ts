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
