/** The colours of the current theme that drawing needs as numbers, and word of their change. */

import { bakeColors, type ColorMap, luminance, parseColor, type Rgb } from '../src/shared/colorScale';

export interface Theme {
  readonly isDark: boolean;
  readonly isHighContrast: boolean;
  readonly background: Rgb;
  readonly foreground: Rgb;
  readonly colorMap: ColorMap;
  /** One colour per level; see bakeColors. */
  readonly colors: Uint8Array;
}

export function readTheme(colorMap: ColorMap): Theme {
  const style = getComputedStyle(document.body);
  const classes = document.body.classList;
  const read = (name: string) => parseColor(style.getPropertyValue(name));
  const isDarkClass = classes.contains('vscode-dark') || (isHighContrast(classes) && !isHighContrastLight(classes));
  const background = read('--vscode-editor-background') ?? (isDarkClass ? [30, 30, 30] : [255, 255, 255]);
  const isDark = luminance(background) < 0.4;
  const foreground = read('--vscode-editor-foreground') ?? (isDark ? [212, 212, 212] : [30, 30, 30]);
  return {
    isDark,
    isHighContrast: isHighContrast(classes),
    background,
    foreground,
    colorMap,
    colors: bakeColors(background, isDark, colorMap),
  };
}

/** VS Code changes the body's class and the root's style when the theme changes. */
export function onThemeChange(listener: () => void): void {
  const observer = new MutationObserver(listener);
  observer.observe(document.body, { attributes: true, attributeFilter: ['class'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
}

/** Calls back when the number of device pixels per CSS pixel changes: another screen, another zoom level. */
export function onPixelRatioChange(listener: () => void): void {
  const watch = () => {
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    query.addEventListener(
      'change',
      () => {
        listener();
        watch();
      },
      { once: true },
    );
  };
  watch();
}

function isHighContrast(classes: DOMTokenList): boolean {
  return classes.contains('vscode-high-contrast') || isHighContrastLight(classes);
}

function isHighContrastLight(classes: DOMTokenList): boolean {
  return classes.contains('vscode-high-contrast-light');
}
