/**
 * `npm run check:ray`: the training jobs' types by mypy and their tests by pytest, in the Python environment that
 * `npm run test:ray` and `rmr1 up --ray` build. Where it was not built, nothing is checked, and that is said. Arguments
 * go to pytest.
 */
import { builtRayEnvironment } from '../../infra/local/ray-python.js';
import { checkedPython } from './python-tools.js';

const environment = await builtRayEnvironment();
if (!environment) {
  console.log('SKIPPED: there is no Python environment for Ray. `npm run test:ray` builds it (6 GB).');
} else {
  const python = await checkedPython(environment);
  const checks: [string, string[]][] = [
    ['mypy', ['--cache-dir', `${python.tools}-mypy-cache`]],
    ['pytest', ['-q', '-p', 'no:cacheprovider', ...process.argv.slice(2), 'tests']],
  ];
  const failed = checks.filter(([tool, args]) => !python.passes(tool, args));
  if (failed.length > 0) console.error(`Failed: ${failed.map(([tool]) => tool).join(', ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}
