import { afterAll, beforeAll, describe, test } from 'vitest';
import { Bed, type RuntimeUnderTest } from './bed.ts';
import { containerCases } from './container-cases.ts';
import { containerConfigCases } from './container-config-cases.ts';
import { eventCases } from './event-cases.ts';
import { execCases } from './exec-cases.ts';
import { imageCases } from './image-cases.ts';
import { runtimeCases } from './runtime-cases.ts';
import { sandboxCases } from './sandbox-cases.ts';

const cases = {
  runtime: runtimeCases,
  sandboxes: sandboxCases,
  containers: containerCases,
  'container configuration': containerConfigCases,
  commands: execCases,
  events: eventCases,
  images: imageCases,
};

export interface ContractOptions {
  readonly setUp: () => Promise<RuntimeUnderTest>;
  /** Titles of cases that this implementation cannot pass, each with the reason. */
  readonly skips?: Readonly<Record<string, string>>;
}

/** Holds an implementation of RuntimeService and ImageService to what src/runtime/types.ts promises. */
export function describeRuntimeContract(name: string, { setUp, skips = {} }: ContractOptions): void {
  const titles = new Set(Object.values(cases).flatMap((list) => list.map((one) => one.title)));
  for (const title of Object.keys(skips)) if (!titles.has(title)) throw new Error(`there is no case "${title}" to skip`);

  describe(name, () => {
    let under: RuntimeUnderTest | undefined;
    beforeAll(async () => {
      under = await setUp();
    });
    afterAll(() => under?.stop());

    for (const [group, list] of Object.entries(cases)) {
      describe(group, () => {
        for (const { title, run } of list) {
          const reason = skips[title];
          test(reason === undefined ? title : `${title} (skipped: ${reason})`, { skip: reason !== undefined }, async () => {
            if (under === undefined) throw new Error('the runtime was not set up');
            const bed = new Bed(under);
            try {
              await run(bed);
            } finally {
              await bed.cleanUp();
            }
          });
        }
      });
    }
  });
}
