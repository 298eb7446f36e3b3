import { defineConfig } from 'vitest/config';
import { MUTATION_GROUPS } from './groups.js';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { CountUnloadableFiles } from './count-unloadable-files.js';

const group = MUTATION_GROUPS[process.env.RMR1_MUTATION_GROUP ?? ''];
if (!group)
  throw new Error(`RMR1_MUTATION_GROUP must name one of ${Object.keys(MUTATION_GROUPS).join(', ')}`);

const { last = [] } = group;
const rank = ({ moduleId }: TestSpecification) => last.findIndex((name) => moduleId.endsWith(`/${name}`));

class SlowFilesLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return [...files].sort((a, b) => rank(a) - rank(b));
  }
}

/** The tests of one group, for `npm run test:mutation`. */
export default defineConfig({
  test: {
    include: [...group.tests],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    sequence: { sequencer: SlowFilesLast },
    reporters: [new CountUnloadableFiles()],
  },
});
