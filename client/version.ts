/** Version of the installed package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../infra/environment.js';

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}
