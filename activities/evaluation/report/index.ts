export { buildReport } from './build-report.js';
export type { ComparisonRow, Curves, ReportData, StageRow, SystemRow } from './report-data.js';
export { compareSystems, pickExamples, summariseSystem } from './summarise.js';
export type { JudgedSystem } from './summarise.js';
export { terminalTable } from './terminal.js';
