import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutSetting, withSetting } from '../../../webview/host';
import { readLayout } from '../../../webview/state';

test('colors are those of the setting until the panel chooses others, which stay when the setting changes', () => {
  const colorsOf = (saved: unknown, colorMap: string) => readLayout(withSetting(saved, { colorMap })).colorMap;
  assert.equal(colorsOf(undefined, 'brownTeal'), 'brownTeal');
  const layout = readLayout(withSetting(undefined, { colorMap: 'brownTeal' }));
  const unchosen = withoutSetting(layout, { colorMap: 'brownTeal' });
  assert.equal(colorsOf(unchosen, 'purpleGreen'), 'purpleGreen');
  const chosen = withoutSetting({ ...layout, colorMap: 'redBlue' }, { colorMap: 'brownTeal' });
  assert.equal(colorsOf(chosen, 'purpleGreen'), 'redBlue');
  assert.deepEqual(readLayout({ ...unchosen, colorMap: 'brownTeal' }), layout, 'the rest is saved as it is');
});
