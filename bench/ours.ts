/** Our side of a comparison, see `contender.ts`. */
import { oursDecode, type DecodeCase } from './ours/decode.js';
import { oursGemm, type GemmCase } from './ours/gemm.js';
import { oursGrpo, type GrpoCase } from './ours/grpo.js';
import { oursSft, type SftCase } from './ours/sft.js';
import { serveContender } from './peer/serve-contender.js';
import { versions } from './result.js';

export type Case = SftCase | GrpoCase | DecodeCase | GemmCase;

await serveContender(async (which: Case) => ({ ...(await prepare(which)), versions: versions() }));

function prepare(which: Case) {
  if (which.kind === 'sft') return oursSft(which);
  if (which.kind === 'grpo') return oursGrpo(which);
  if (which.kind === 'decode') return oursDecode(which);
  return oursGemm(which);
}
