import { expect, it } from 'vitest';
import { z } from 'zod';
import { servingSpecSchema } from '../../activities/ray/serving-spec.js';

it('the schema that Python checks a server with is the one that TypeScript writes it by', async () => {
  const schema = z.toJSONSchema(servingSpecSchema, { target: 'draft-2020-12' });
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(
    '../../infra/ray/rmr1_ray/serving-spec.schema.json',
  );
});
