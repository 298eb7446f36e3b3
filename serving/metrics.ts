/** Counters of the server in Prometheus' text format (version 0.0.4). */

const LATENCY_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128];

type Labels = Record<string, string>;

function key(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(',')}}` : '';
}

const escape = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

class Counter {
  private readonly values = new Map<string, number>();

  constructor(
    readonly name: string,
    readonly help: string,
  ) {}

  add(labels: Labels = {}, by = 1): void {
    this.values.set(key(labels), (this.values.get(key(labels)) ?? 0) + by);
  }

  text(): string[] {
    const lines = [...this.values].map(([labels, value]) => `${this.name}${labels} ${value}`);
    return [`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} counter`, ...lines];
  }
}

class Histogram {
  private readonly series = new Map<
    string,
    { labels: Labels; counts: number[]; sum: number; count: number }
  >();

  constructor(
    readonly name: string,
    readonly help: string,
    private readonly buckets: readonly number[],
  ) {}

  observe(value: number, labels: Labels = {}): void {
    const id = key(labels);
    let entry = this.series.get(id);
    if (!entry)
      this.series.set(id, (entry = { labels, counts: this.buckets.map(() => 0), sum: 0, count: 0 }));
    this.buckets.forEach((bound, index) => {
      if (value <= bound) entry.counts[index]! += 1;
    });
    entry.sum += value;
    entry.count += 1;
  }

  text(): string[] {
    const lines = [...this.series.values()].flatMap(({ labels, counts, sum, count }) => [
      ...counts.map(
        (n, index) => `${this.name}_bucket${key({ ...labels, le: String(this.buckets[index]) })} ${n}`,
      ),
      `${this.name}_bucket${key({ ...labels, le: '+Inf' })} ${count}`,
      `${this.name}_sum${key(labels)} ${sum}`,
      `${this.name}_count${key(labels)} ${count}`,
    ]);
    return [`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} histogram`, ...lines];
  }
}

export class ServingMetrics {
  readonly requests = new Counter('rmr1_requests_total', 'HTTP requests by route and status.');
  readonly judgements = new Counter('rmr1_judgements_total', 'Opinions given, by verdict.');
  readonly tokens = new Counter('rmr1_tokens_total', 'Tokens read and written by the judge.');
  readonly throttled = new Counter('rmr1_throttled_total', 'Requests refused because too much waited.');
  readonly latency = new Histogram(
    'rmr1_request_seconds',
    'Time from a request to its answer, by route.',
    LATENCY_BUCKETS,
  );
  readonly batches = new Histogram(
    'rmr1_batch_rows',
    'Questions decoded together by the engine.',
    BATCH_BUCKETS,
  );

  /** @param gauges current values by name, with their help text */
  render(gauges: Record<string, { help: string; value: number }>): string {
    const now = Object.entries(gauges).flatMap(([name, { help, value }]) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} gauge`,
      `${name} ${value}`,
    ]);
    const all = [this.requests, this.judgements, this.tokens, this.throttled, this.latency, this.batches];
    return [...all.flatMap((metric) => metric.text()), ...now, ''].join('\n');
  }
}
