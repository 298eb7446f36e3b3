import { expect, it } from 'vitest';
import { z } from 'zod';
import { trainingSpecSchema } from '../../activities/ray/training-spec.js';

it('the schema that Python checks specifications with is the one that TypeScript writes them by', async () => {
  const schema = z.toJSONSchema(trainingSpecSchema, { target: 'draft-2020-12' });
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(
    '../../infra/ray/rmr1_ray/training-spec.schema.json',
  );
});
