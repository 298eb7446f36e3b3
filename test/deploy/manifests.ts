/** The chart as Kubernetes would get it. */
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { projectRoot } from '../../infra/environment.js';
import { runTool } from './tools.js';

export const DEPLOY = join(projectRoot(), 'infra/deploy');
export const CHART = join(DEPLOY, 'helm/rmr1');
/** helm itself assumes an old one where no cluster is asked. */
export const KUBERNETES = '1.31';

export interface Container {
  name: string;
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[];
}
export interface PodSpec {
  terminationGracePeriodSeconds?: number;
  enableServiceLinks?: boolean;
  containers: Container[];
}
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  spec: Record<string, unknown> & { template?: { metadata?: Metadata; spec: PodSpec } };
}
interface Metadata {
  annotations?: Record<string, string>;
}

interface Values {
  files?: readonly string[];
  set?: Readonly<Record<string, string>>;
}

const rendered = new Map<string, Manifest[]>();

/** The chart as release `rmr1`, rendered once for each set of values. @throws Error with what helm says. */
export function render(values: Values = {}): Manifest[] {
  const key = JSON.stringify(values);
  const known = rendered.get(key) ?? renderAnew(values);
  rendered.set(key, known);
  return known;
}

function renderAnew(values: Values): Manifest[] {
  const files = (values.files ?? []).flatMap((file) => ['--values', join(CHART, file)]);
  const set = Object.entries(values.set ?? {}).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const text = runTool('helm', ['template', 'rmr1', CHART, '--kube-version', KUBERNETES, ...files, ...set]);
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

export function the(manifests: Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (!found) throw new Error(`No ${kind} ${name}.`);
  return found;
}

/** Every pod that the manifests describe, those inside a RayCluster included. */
export function pods(
  manifests: Manifest[],
): { of: string; spec: PodSpec; annotations: Record<string, string> }[] {
  const found: { of: string; spec: PodSpec; annotations: Record<string, string> }[] = [];
  const visit = (of: string, value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    const { template } = value as Manifest['spec'];
    if (template?.spec?.containers)
      found.push({ of, spec: template.spec, annotations: template.metadata?.annotations ?? {} });
    for (const child of Object.values(value)) visit(of, child);
  };
  for (const manifest of manifests) visit(`${manifest.kind} ${manifest.metadata.name}`, manifest.spec);
  return found;
}
