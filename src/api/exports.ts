/** The versions of the interface that other extensions get from `activate()`. */

import type * as api from '../../api/mtaInspector';
import type { AnalysisRuns } from './analysisRuns';
import type { ShownRuns } from './shownRuns';

export function exportsOf(shown: ShownRuns, runs: AnalysisRuns): api.MtaInspectorExports {
  const version1: api.MtaInspectorApi = {
    version: 1,
    get shown() {
      return shown.current;
    },
    onDidFinishLayer: shown.onDidFinishLayer,
    onDidFinish: shown.onDidFinish,
    analyze: (source, options, cancellation) => runs.analyze(source, options, cancellation),
    continueText: (source, options, cancellation) => runs.continueText(source, options, cancellation),
    chooseHeads: (source, options, cancellation) => runs.chooseHeads(source, options, cancellation),
  };
  return {
    versions: [1],
    getApi(version) {
      if (version !== 1) throw new RangeError(`MTA Inspector has no API version ${version}. It has version 1.`);
      return version1;
    },
  };
}
