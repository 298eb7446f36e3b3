/**
 * Segments of the oracle's log: JSONL objects, written once. The first line says what is in it, so that an index needs
 * only the beginning of each; then one line per answer.
 */
import { z } from 'zod';
import { StoreError } from '../artifacts/errors.js';

/** Who wrote a segment: one attempt of one activity of a run, asking one model in one pass. */
export interface Writer {
  /** The run that pays. */
  run: string;
  /** One scheduled activity, the same over all its attempts. */
  activity: string;
  attempt: number;
  stage: string;
  model: string;
  pass: number;
}

/** An answer as it is stored, one line of JSON. */
export interface OracleAnswer {
  text: string;
  /** `stop`, `length`, `content_filter`, … as the provider says it. */
  finishReason: string;
  inputTokens: number;
  outputTokens: number;
  /** What it cost, and the run that paid. */
  usd: number;
  paidBy: string;
  /** Provider's fingerprint of what answered; the local service says here where its verdict came from. */
  fingerprint?: string;
}

/** What a segment adds to the log. */
export interface SegmentRecords {
  /** Questions about to be sent, with the most that each may cost in USD. */
  asked: { key: string; usd: number }[];
  /** Questions of `asked` that were not sent after all, or certainly not billed. */
  released: string[];
  answers: { key: string; answer: OracleAnswer }[];
}

const headerSchema = z.strictObject({
  format: z.literal('rmr1-oracle-segment-1'),
  run: z.string(),
  activity: z.string(),
  attempt: z.int(),
  stage: z.string(),
  model: z.string(),
  pass: z.int(),
  asked: z.array(z.tuple([z.string(), z.number()])),
  released: z.array(z.string()),
  /** Key, offset behind the header line and length in bytes, input and output tokens, USD. */
  answers: z.array(z.tuple([z.string(), z.int(), z.int(), z.int(), z.int(), z.number()])),
});
export type SegmentHeader = z.infer<typeof headerSchema>;

/** Most records in one segment: its header then stays within {@link HEADER_BYTES}. */
export const SEGMENT_RECORDS = 512;
/** Enough for the first line of any segment: a record takes less than 150 bytes there. */
export const HEADER_BYTES = 128 * 1024;

/** The bytes of a segment, and its header as a reader would find it. */
export function encodeSegment(
  writer: Writer,
  records: SegmentRecords,
): { header: SegmentHeader; bytes: Buffer } {
  const lines: Buffer[] = [];
  let offset = 0;
  const answers = records.answers.map(({ key, answer }): SegmentHeader['answers'][number] => {
    const line = Buffer.from(
      `${JSON.stringify({ key, model: writer.model, pass: writer.pass, ...answer })}\n`,
    );
    lines.push(line);
    const entry = [key, offset, line.length, answer.inputTokens, answer.outputTokens, answer.usd] as const;
    offset += line.length;
    return [...entry];
  });
  const header: SegmentHeader = {
    format: 'rmr1-oracle-segment-1',
    ...writer,
    asked: records.asked.map(({ key, usd }) => [key, usd]),
    released: records.released,
    answers,
  };
  return { header, bytes: Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...lines]) };
}

/**
 * The header at the beginning of a segment, and where its answers begin.
 * @throws StoreError `CorruptArtifact` naming `key`.
 */
export function decodeHeader(key: string, bytes: Buffer): { header: SegmentHeader; begin: number } {
  const end = bytes.indexOf(0x0a);
  const parsed = headerSchema.safeParse(end < 0 ? undefined : parseJson(bytes.toString('utf8', 0, end)));
  if (parsed.success) return { header: parsed.data, begin: end + 1 };
  throw new StoreError(
    'CorruptArtifact',
    `${key} is not a segment of oracle answers. Move it out of the bucket; what it held is asked again.`,
  );
}

/** One answer of a whole segment. */
export function decodeAnswer(bytes: Buffer, begin: number, offset: number, length: number): OracleAnswer {
  const line = bytes.toString('utf8', begin + offset, begin + offset + length);
  const {
    key: _key,
    model: _model,
    pass: _pass,
    ...answer
  } = JSON.parse(line) as OracleAnswer & {
    key: string;
    model: string;
    pass: number;
  };
  return answer;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
