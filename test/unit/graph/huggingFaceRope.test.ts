/** Rotary positions that files describe in odd ways: as Hugging Face's library reads them, or refused (models/export/rope_cases.py). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHuggingFaceConfig } from '../../../src/graph/huggingFaceConfig';
import { rotaryFrequencies } from '../../../src/graph/ropeScaling';
import { Failure } from '../../../src/shared/tools/failure';
import ropes from '../../fixtures/ropes.json';

interface Case {
  readonly config: Readonly<Record<string, unknown>>;
  readonly frequencies?: readonly number[];
  readonly scale?: number;
  readonly error?: string;
}

/** What the library computes and we refuse by its name. */
const refusedHere = /attention_factor is 0|high_freq_factor is|"proportional"|partial_rotary_factor is|"mrope"|"type: /;
/** The library fails over keys that do not change its result: an empty scaling beside flat parameters, a share of null. */
const openedHere = (config: Case['config']) =>
  ['rope_scaling', 'rope_parameters'].some(key => {
    const given = config[key] as Readonly<Record<string, unknown>> | null | undefined;
    return given != null && (Object.keys(given).length === 0 || given['partial_rotary_factor'] === null);
  });

for (const type of ['llama', 'gemma3_text', 'phi3']) {
  test(`${type}: frequencies of every description are the library's, or it is refused`, () => {
    const cases = (ropes.cases as readonly Case[]).filter(({ config }) => config['model_type'] === type);
    assert.ok(cases.length > 150);
    for (const { config, frequencies, scale, error } of cases) {
      const what = JSON.stringify(config);
      let read: ReturnType<typeof parseHuggingFaceConfig>;
      try {
        read = parseHuggingFaceConfig({ ...ropes.sizes, ...config }, 'config.json', null);
      } catch (failure) {
        assert.ok(failure instanceof Failure && failure.code === 'bad-config', what);
        assert.ok(error !== undefined || refusedHere.test(failure.message), `${what}: ${failure.message}`);
        continue;
      }
      if (error !== undefined) {
        assert.ok(openedHere(config), `${what}: the library has ${error}`);
        continue;
      }
      const ours = rotaryFrequencies(read.rotary_dim, read.rope_theta, read.rope_scaling, 8);
      assert.equal(ours.frequencies.length, frequencies!.length, what);
      for (const [m, frequency] of ours.frequencies.entries()) {
        assert.ok(Math.abs(frequency / frequencies![m]! - 1) < 1e-6, `${what}: ${frequency}, ${frequencies![m]}`);
      }
      assert.ok(Math.abs(ours.amplitude - scale!) < 1e-6, what);
    }
  });
}
