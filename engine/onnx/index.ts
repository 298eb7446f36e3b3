export * from './types.js';
export * from './graph-builder.js';
export * from './session.js';
export * as ops from './ops.js';
