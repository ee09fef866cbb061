/** Hands the reader's language to `t`. Imported before all that calls it. */

import { config } from '@vscode/l10n';
import { l10n } from 'vscode';

config({ contents: l10n.bundle ?? {} });
