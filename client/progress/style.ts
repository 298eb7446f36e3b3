/** Colours of a terminal, or none. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

const same = (text: string): string => text;
export const plain: Style = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };

const wrapIn =
  (open: number, close: number) =>
  (text: string): string =>
    `\u001b[${open}m${text}\u001b[${close}m`;

export const colours: Style = {
  bold: wrapIn(1, 22),
  dim: wrapIn(2, 22),
  red: wrapIn(31, 39),
  green: wrapIn(32, 39),
  yellow: wrapIn(33, 39),
  cyan: wrapIn(36, 39),
};

/** Colours where a person looks and did not ask for none (https://no-color.org). */
export function styleFor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Style {
  return stream.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb' ? colours : plain;
}
