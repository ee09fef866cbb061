/** Whether one path leads into another's folder. Pure: the system's own rules on paths are passed in. */

/** Node's `path`, or that of another system. */
export interface PathRules {
  relative(from: string, to: string): string;
  isAbsolute(path: string): boolean;
  readonly sep: string;
}

/** Both with links resolved; by the system's own rules, of Windows those on case, drives and shares. */
export function isInside(folder: string, path: string, { relative, isAbsolute, sep }: PathRules): boolean {
  const way = relative(folder, path);
  // There is no relative path from one drive or share to another.
  return way !== '' && !isAbsolute(way) && way.split(sep)[0] !== '..';
}
