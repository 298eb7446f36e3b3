/** The artefact store that a client talks to: what the environment names, else the local stack's. */
import { storeFromEnvironment, ArtifactStore } from '../activities/artifacts/store.js';
import { homeDirectory } from '../infra/environment.js';
import { StackFile } from '../infra/local/stack-file.js';

/** Seconds instead of the workers' patience: a person is waiting for the message. */
const PATIENCE_MS = 5_000;

/** Whether the user has a store of their own, which then wins over the local stack's. */
export function namesOwnStore(env: NodeJS.ProcessEnv = process.env): boolean {
  return ['RMR1_S3_ENDPOINT', 'RMR1_S3_BUCKET', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].some(
    (name) => env[name],
  );
}

/** Close the store when done. */
async function openStore(env: NodeJS.ProcessEnv = process.env): Promise<ArtifactStore> {
  if (!namesOwnStore(env)) {
    const { s3 } = await new StackFile(homeDirectory()).read();
    if (s3) {
      const { external: _, ...settings } = s3;
      return new ArtifactStore({ ...settings, patienceMs: PATIENCE_MS });
    }
  }
  return storeFromEnvironment({ RMR1_S3_PATIENCE_MS: String(PATIENCE_MS), ...env });
}

/** Open the store for the time of `use`. */
export async function withStore<T>(use: (store: ArtifactStore) => Promise<T>): Promise<T> {
  const store = await openStore();
  try {
    return await use(store);
  } finally {
    store.close();
  }
}
