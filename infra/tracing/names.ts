/** Attributes of our spans. */
export const RUN = 'rmr1.run';
export const STAGE = 'rmr1.stage';
export const ATTEMPT = 'rmr1.attempt';
