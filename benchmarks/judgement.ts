/** One judged item: a line of a verdicts artefact, joinable by `pairId` and `gold` across judges. */
export interface Judgement {
  pairId: string;
  /** Section or subset, from the pair. */
  category: string;
  /** Position of the chosen answer in this presentation; every pair is judged in both. */
  gold: 'A' | 'B';
  verdict: 'A' | 'B' | 'both' | 'none';
  styles?: { chosen: number; rejected: number };
  group?: string;
  promptSha256: string;
  /** The judge's whole output. */
  text: string;
  tokens: number;
  /** False where the token limit cut the output. */
  finished: boolean;
}
