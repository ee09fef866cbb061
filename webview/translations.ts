/** Hands the reader's language, which the host wrote into the page, to `t`. Imported before all that calls it. */

import { config } from '@vscode/l10n';

const element = document.getElementById('l10n');
if (element) config({ contents: element.textContent ?? '{}' });
