export { buildReport } from './build-report.js';
export type { Report } from './build-report.js';
export { REPORT_SCHEMA } from './report-data.js';
export type {
  ComparisonRow,
  Curves,
  Example,
  ExampleJudgement,
  ExampleKind,
  ReportData,
  StageRow,
  SystemRow,
} from './report-data.js';
export { compareSystems, EXAMPLES, pickExamples, summariseSystem } from './summarise.js';
export type { JudgedSystem } from './summarise.js';
export { terminalTable } from './terminal.js';
export type { TerminalOptions } from './terminal.js';
