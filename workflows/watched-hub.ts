/** A data set of a model hub that `retrain` watches, and what it is called. */
import { z } from 'zod';

export const watchedHubSchema = z.strictObject({
  hub: z
    .string()
    .regex(/^[\w-][\w.-]*\/[\w-][\w.-]*$/, 'name a data set of the hub as owner/name')
    .describe('data set of the hub, owner/name'),
  revision: z.string().min(1).max(200).default('main').describe('branch or tag whose commits are watched'),
  split: z
    .string()
    .regex(/^[\w-]+$/, 'name a split, such as train')
    .optional()
    .describe('files whose path names this split; default: train'),
  file: z
    .string()
    .regex(/^[\w-][\w./ -]*$/, 'name a file or a folder of the data set')
    .refine((value) => !value.split('/').includes('..'), "'..' is not allowed")
    .optional()
    .describe('this file or folder only, in place of a split'),
});
export type WatchedHub = z.infer<typeof watchedHubSchema>;

/** `hub:owner/name#part`: the same part of the same data set has the same name at every commit. */
export function nameOfWatched({ hub, split, file }: WatchedHub): string {
  return `hub:${hub}#${file ?? split ?? 'train'}`;
}
