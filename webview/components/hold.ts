/** Holds a part of the page as it is, dimmed, while what it shows is computed anew. */

/**
 * @returns a function that holds the element or lets it go. What is held can be read, scrolled and walked through with the
 * keyboard, and the focus stays (`inert` would take it); what is clicked or pressed does nothing, since it names tokens of
 * the run before.
 */
export function createHold(element: HTMLElement): (isHeld: boolean) => void {
  let held = false;
  const swallow = (event: Event) => {
    if (!held || (event instanceof KeyboardEvent && event.key !== 'Enter' && event.key !== ' ')) return;
    event.preventDefault();
    event.stopPropagation();
  };
  for (const type of ['click', 'dblclick', 'keydown']) element.addEventListener(type, swallow, { capture: true });
  return isHeld => {
    if (isHeld === held) return;
    held = isHeld;
    element.classList.toggle('is-held', isHeld);
    if (isHeld) element.setAttribute('aria-busy', 'true');
    else element.removeAttribute('aria-busy');
  };
}
