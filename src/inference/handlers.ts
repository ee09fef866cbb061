/** What the inference process does for each request. */

import { Failure } from '../shared/tools/failure';
import type { Handlers } from '../shared/tools/rpc';
import type { EngineSlots } from './engineSlots';
import { describeModel } from './model/describeModel';
import { hasChatTemplate, openModelFolder } from './model/openModelFolder';
import { configFacts, modelFacts } from './modelFacts';
import { type InferenceRequests, protocolVersion } from './protocol';
import { findModels, surroundings } from './stores/findModels';

export function handlersOf(engines: EngineSlots): Handlers<InferenceRequests> {
  return {
    ping: () => null,
    async load({ protocolVersion: spoken, ...args }) {
      if (spoken !== protocolVersion) {
        throw new Failure(
          'protocol',
          `The inference process speaks version ${protocolVersion}, the extension ${spoken}. Reload the window.`,
        );
      }
      const { model, provider, providerNote } = await engines.load(args);
      return { model, provider, providerNote };
    },
    unload: ({ slot }) => engines.clear(slot),
    summarizeFolder: async ({ path }) => (await openModelFolder(path)).summary,
    describeFolder: ({ path }) => describeModel(path),
    hasChatTemplate: ({ path }) => hasChatTemplate(path),
    findModels: ({ path }) => findModels({ ...surroundings(), home: path }),
    modelFacts: ({ path }) => modelFacts(path),
    configFacts: ({ config, sizeBytes }) => configFacts(config, sizeBytes),
    analyze: (args, signal) => engines.of(args.slot).analyze(args, signal),
    overview: (args, signal) => engines.holding(args.analysisId).details.overview(args, signal),
    tile: (args, signal) => engines.holding(args.analysisId).details.tile(args, signal),
    patch: (args, signal) => engines.holding(args.analysisId).details.patch(args, signal),
    ablate: (args, signal) => engines.holding(args.baseId).ablate(args, signal),
    rankAblations: (args, signal) => engines.holding(args.analysisId).rankAblations(args, signal),
    headMeasures: (args, signal) => engines.holding(args.analysisId).details.headMeasures(args, signal),
    kernels: (args, signal) => engines.holding(args.analysisId).details.kernels(args, signal),
    kernelHistory: (args, signal) => engines.holding(args.analysisId).details.kernelHistory(args, signal),
    largestChanges: (args, signal) => engines.holding(args.analysisId).details.largestChanges(args, signal),
    explain: (args, signal) => engines.holding(args.analysisId).explain(args, signal),
    change: (args, signal) => engines.holding(args.baseId).change(args, signal),
    ablateHeads: (args, signal) => engines.holding(args.analysisId).ablateHeads(args, signal),
    lens: (args, signal) => engines.holding(args.analysisId).lens(args, signal),
    knockOuts: (args, signal) => engines.holding(args.analysisId).knockOuts(args, signal),
    patchParts: (args, signal) => engines.holding(args.analysisId).patchParts(args, signal),
    continueText: (args, signal) => engines.of(args.slot).continueText(args, signal),
    relevance: (args, signal) => engines.holding(args.analysisId).details.relevance(args, signal),
    occlude: (args, signal) => engines.holding(args.analysisId).occlude(args, signal),
    scoreHeads: (args, signal) => engines.of(args.slot).scoreHeads(args, signal),
    readSearchText: args => engines.of().readSearchText(args),
    searchDocument: (args, signal) => engines.of().searchDocument(args, signal),
  };
}
