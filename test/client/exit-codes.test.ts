import { describe, expect, it } from 'vitest';
import { describeError } from '../../client/errors.js';
import { EXIT, EXIT_MEANING, exitCodeOf } from '../../client/exit-codes.js';

const withFields = (message: string, fields: object): Error => Object.assign(new Error(message), fields);

describe('exit codes', () => {
  it.each([
    ['InvalidInput', 2],
    ['BadData', 2],
    ['TemporalUnreachable', 3],
    ['StorageUnreachable', 3],
    ['OracleUnreachable', 3],
    ['OracleCredentials', 4],
    ['StorageCredentials', 4],
    ['TemporalCredentials', 4],
    ['BudgetExhausted', 5],
    ['CorruptArtifact', 1],
    ['DiskFull', 1],
    ['Interrupted', 130],
    ['SomethingOfALaterWorker', 70],
    ['toString', 70],
    [undefined, 70],
  ])('%s ends with %i', (type, code) => expect(exitCodeOf(type)).toBe(code));

  it('are distinct and explained', () => {
    expect(new Set(Object.values(EXIT)).size).toBe(Object.keys(EXIT).length);
    expect(Object.keys(EXIT_MEANING)).toEqual(Object.keys(EXIT));
  });
});

describe('errors become one sentence', () => {
  it('keep the type and message that were made for people', () => {
    const error = withFields('pairs.jsonl: line 3: no "chosen"', { type: 'BadData' });
    expect(describeError(error)).toEqual({ type: 'BadData', message: error.message });
  });

  it.each([
    ['ENOENT', 'Usage', /\/tmp\/x does not exist/],
    ['EACCES', 'Usage', /permission/],
    ['ENOSPC', 'DiskFull', /No space is left/],
  ])('%s says what to do', (code, type, message) => {
    const described = describeError(withFields(`${code}: open '/tmp/x'`, { code, path: '/tmp/x' }));
    expect(described.type).toBe(type);
    expect(described.message).toMatch(message);
  });

  it('name a defect as one', () => {
    expect(describeError(new TypeError('x is undefined'))).toEqual({
      type: 'Unexpected',
      message: 'x is undefined (a defect of rmr1; RMR1_DEBUG=1 shows where)',
    });
  });
});
