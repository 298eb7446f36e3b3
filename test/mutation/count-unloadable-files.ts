import type { Reporter, Vitest } from 'vitest/node';

/**
 * A mutant that keeps a test file from being loaded is noticed, but no test of that file fails, since there is none;
 * Stryker counts failed tests and would call the mutant survived. Such a file gets one failed test.
 */
export class CountUnloadableFiles implements Reporter {
  private vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  onTestRunEnd(): void {
    for (const file of this.vitest?.state.getFiles() ?? []) {
      if (file.result?.state !== 'fail' || file.tasks.length > 0) continue;
      const { errors } = file.result;
      const loading = { type: 'test', name: 'loads', mode: 'run', result: { state: 'fail', errors } };
      file.tasks.push({ ...loading, file, suite: file } as unknown as (typeof file.tasks)[number]);
    }
  }
}
