/** Tools that check deploy files, each found on PATH or where `npm run check:deploy` puts it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFromEnvironment } from '../../infra/local/home.js';

export type Tool = 'docker-compose' | 'hadolint' | 'helm' | 'kubernetes-validate' | 'shellcheck';

/** Where `npm run check:deploy` installs. */
export function toolsDirectory(): string {
  return process.env.RMR1_DEPLOY_TOOLS ?? join(cacheFromEnvironment(), 'deploy-tools');
}

/** Path of a tool, or undefined where it is not installed. */
export function pathOf(tool: Tool): string | undefined {
  const folders = [join(toolsDirectory(), 'bin'), ...(process.env.PATH ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, tool)).find((path) => existsSync(path));
}

/** The title of a test that needs `tool`, with the reason where it is skipped. */
export function withTool(tool: Tool, title: string): string {
  return pathOf(tool)
    ? title
    : `${title} (skipped: ${tool} is not installed; npm run check:deploy installs it)`;
}

/** What a tool writes. @throws Error with all that it wrote, where it fails. */
export function runTool(tool: Tool, args: string[], options: { env?: Record<string, string> } = {}): string {
  const { status, stdout, stderr } = spawnSync(pathOf(tool)!, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...options.env },
  });
  // The wheel of docker-compose ends with 0 even where it refuses.
  const refused = stdout === '' && stderr !== '';
  if (status !== 0 || refused) throw new Error(`${tool} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}
