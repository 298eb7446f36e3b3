/** The page's look: one style sheet, light and dark, screen and paper. Fonts are the reader's own. */

/** Colour classes by place in the order of training; grey is the base. Told apart by colour-blind readers too. */
const SYSTEM_COLORS = ['c-0', 'c-1', 'c-2', 'c-3', 'c-4', 'c-5'] as const;

/** Colour class of the system at `index`; the last one always has the accent colour. */
export function systemColor(index: number, total: number): string {
  if (index === total - 1 && total > 1) return 'c-last';
  return SYSTEM_COLORS[index % SYSTEM_COLORS.length] ?? 'c-0';
}

const LIGHT = `
  --page: #f6f7f9; --card: #ffffff; --ink: #1a1f27; --soft: #5b6472; --line: #e2e5ea; --grid: #eceef2;
  --accent: #0f6bc4; --good: #14743c; --good-bg: #e4f4ea; --bad: #b3261e; --bad-bg: #fdeceb; --note-bg: #eef4fb;
  --c0: #7b8494; --c1: #c2620a; --c2: #0f6bc4; --c3: #7a4fbf; --c4: #0b8074; --c5: #a8326e;
  --warm: #e8893a; --cool: #2f83d8; --heat-ink: #10151c; --heat-base: #ffffff;`;
const DARK = `
  --page: #12151a; --card: #1a1e25; --ink: #e6e9ee; --soft: #9aa4b2; --line: #2d333d; --grid: #262b34;
  --accent: #6db3f8; --good: #6fd295; --good-bg: #183224; --bad: #ff938a; --bad-bg: #3a1f1e; --note-bg: #1b2735;
  --c0: #98a2b3; --c1: #f0a04b; --c2: #6db3f8; --c3: #b89af0; --c4: #4cc9b8; --c5: #ee83b5;
  --warm: #b8651c; --cool: #2a6fb8; --heat-ink: #f2f5f9; --heat-base: #1a1e25;`;

export const STYLE_SHEET = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: break-word;
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header.top > div, footer { max-width: 1060px; margin: 0 auto; padding: 0 28px; }
header.top { background: var(--card); border-bottom: 1px solid var(--line); padding: 34px 0 0; }
h1 { font-size: 27px; line-height: 1.25; letter-spacing: -0.015em; margin: 0 0 8px; font-weight: 680; }
h2 { font-size: 19px; letter-spacing: -0.01em; margin: 46px 0 4px; font-weight: 660; scroll-margin-top: 56px; }
h3 { font-size: 14.5px; margin: 0 0 2px; font-weight: 640; }
h4 { font-size: 13px; margin: 0 0 6px; font-weight: 600; color: var(--soft); }
p { margin: 0 0 10px; } p.lead { color: var(--soft); max-width: 104ch; margin-bottom: 14px; }
.muted, figcaption, .small { color: var(--soft); } .small, figcaption { font-size: 13px; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
code, .mono { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
.badge { display: inline-block; padding: 2px 10px; border-radius: 999px; font-size: 12.5px; font-weight: 600;
  background: var(--note-bg); color: var(--accent); margin: 0 8px 6px 0; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 26px; margin: 12px 0 20px; padding: 0; list-style: none; font-size: 13px; }
.facts b { font-weight: 500; color: var(--soft); margin-right: 6px; }
nav.toc { position: sticky; top: 0; z-index: 2; background: var(--card); border-bottom: 1px solid var(--line); }
nav.toc > div { max-width: 1060px; margin: 0 auto; padding: 9px 28px; display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 13px; }
nav.toc a { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; margin-top: 26px; }
.tile .number { font-size: 28px; font-weight: 680; letter-spacing: -0.02em; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile .number small { font-size: 15px; font-weight: 560; color: var(--soft); margin-left: 3px; }
.system { white-space: nowrap; }
.grid2 { display: grid; align-items: start; grid-template-columns: repeat(2, 1fr); gap: 14px; }
.grid3 { display: grid; grid-template-columns: repeat(3, 1fr); gap: 14px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; font-size: 12.5px; font-weight: 600; color: var(--soft); padding: 0 0 8px 18px; line-height: 1.35; vertical-align: bottom; }
td { text-align: right; padding: 8px 0 8px 18px; border-top: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.text, th.text { text-align: left; } td.path { overflow-wrap: anywhere; min-width: 200px; }
td .ci { display: block; font-size: 12px; color: var(--soft); white-space: nowrap; }
td.avg, th.avg { padding-right: 12px; } td.avg { background: var(--page); } th.avg, td.avg { padding-left: 12px; border-left: 16px solid var(--card); } td.best > b { font-weight: 720; } td > b { font-weight: 500; }
table.dense td { padding-top: 5px; padding-bottom: 5px; font-size: 14px; vertical-align: middle; } table.dense .bar { margin-top: 0; }
tr.total td { border-top: 1.5px solid var(--soft); font-weight: 640; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 8px; background: currentColor; }
table.heat { table-layout: fixed; border-spacing: 3px; border-collapse: separate; margin: 6px 0 10px; }
table.heat th { padding: 0 2px 4px; text-align: center; font-weight: 500; font-size: 12px; white-space: normal; }
table.heat th:first-child { width: 25%; text-align: right; padding-right: 8px; vertical-align: middle; }
table.heat th.span { padding-bottom: 0; color: var(--ink); } table.heat th.corner { color: var(--ink); }
table.heat td { border: 0; border-radius: 5px; padding: 10px 2px; text-align: center; font-weight: 600; color: var(--heat-ink);
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bands { display: grid; grid-template-columns: repeat(4, 1fr); gap: 6px; font-size: 13px; border-top: 1px solid var(--line); padding-top: 9px; font-variant-numeric: tabular-nums; }
.bands span { display: block; font-size: 12px; color: var(--soft); } .bands b { font-weight: 640; }
svg.chart { display: block; width: 100%; height: auto; margin-top: 6px; overflow: visible; }
svg.chart.wide { margin-top: 2px; }
svg text { font-family: inherit; font-size: 11.5px; fill: var(--soft); }
svg .row-name { font-size: 13px; fill: var(--ink); } svg .strong { font-weight: 680; }
svg .value { font-size: 11.5px; font-weight: 620; font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--grid); stroke-width: 1; } svg .axis { stroke: var(--line); stroke-width: 1.2; }
svg .reference { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 4; }
svg path { fill: none; stroke-linejoin: round; stroke-linecap: round; }
svg .line { stroke-width: 2; } svg .faint { stroke-width: 1; opacity: 0.32; } svg .whisker { stroke-width: 2.4; opacity: 0.42; stroke-linecap: round; }
${['0', '1', '2', '3', '4', '5'].map((n) => colorRules(`c-${n}`, `--c${n}`)).join('\n')}
${colorRules('c-last', '--c2')}
.bar { position: relative; height: 10px; border-radius: 5px; background: var(--grid); overflow: hidden; min-width: 120px; margin-top: 7px;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--accent); border-radius: 5px; }
.timeline { display: flex; gap: 2px; height: 24px; border-radius: 6px; overflow: hidden; margin: 4px 0 18px; }
.timeline i { display: block; min-width: 2px; padding: 0 8px; overflow: hidden; background: color-mix(in srgb, var(--cool) var(--mix), var(--card)); color: var(--heat-ink);
  font-size: 12px; font-style: normal; line-height: 24px; white-space: nowrap; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.pill { display: inline-block; font-size: 12px; font-weight: 620; padding: 1px 9px; border-radius: 999px; white-space: nowrap; }
.pill.good { color: var(--good); background: var(--good-bg); } .pill.bad { color: var(--bad); background: var(--bad-bg); }
.pill.plain { color: var(--soft); background: var(--grid); }
.example { margin-top: 14px; padding: 0; overflow: hidden; }
.example > .head { display: flex; flex-wrap: wrap; gap: 6px 10px; align-items: center; padding: 12px 20px; border-bottom: 1px solid var(--line); }
.example > .body { padding: 16px 20px 18px; }
.turn { margin-bottom: 10px; } .pre { white-space: pre-wrap; } .turn > b { display: block; font-size: 12px; font-weight: 600; color: var(--soft); }
.answers { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; margin: 4px 0 16px; }
.answer { border: 1px solid var(--line); border-radius: 8px; padding: 9px 13px 11px; min-width: 0; }
.answer.gold { border-color: var(--good); }
.answer > .label { display: flex; justify-content: space-between; align-items: center; font-size: 12px; font-weight: 600; color: var(--soft); margin-bottom: 5px; }
.judgements { display: grid; gap: 12px; grid-template-columns: repeat(var(--n), minmax(0, 1fr)); }
.judgement { background: var(--page); border-radius: 8px; padding: 12px 14px; min-width: 0; }
.judgement > .label { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 4px 10px; align-items: center; font-size: 13px; font-weight: 620; margin-bottom: 9px; }
.trace { font-size: 13.5px; line-height: 1.6; }
.trace p { margin: 0 0 6px; }
.trace .block { display: grid; grid-template-columns: 104px minmax(0, 1fr); gap: 10px; padding: 5px 0; border-top: 1px solid var(--line); }
.trace .block:first-child { border-top: 0; } .trace h5 { margin: 1px 0 0; font-size: 12px; font-weight: 600; color: var(--soft); }
.trace .block > div { min-width: 0; }
.judgements.many .trace .block { grid-template-columns: minmax(0, 1fr); gap: 0; }
.cite { background: var(--note-bg); border-radius: 4px; padding: 1px 5px; quotes: none; } .cite .who { font-size: 11px; color: var(--accent); margin-right: 5px; }
.justify { color: var(--soft); }
.note { border-left: 3px solid var(--accent); background: var(--note-bg); border-radius: 0 8px 8px 0; padding: 11px 16px; margin: 14px 0; }
.note p:last-child { margin-bottom: 0; }
ul.plain { margin: 8px 0 0; padding-left: 19px; } ul.plain li { margin-bottom: 6px; max-width: 96ch; }
details > summary { cursor: pointer; color: var(--accent); font-size: 13.5px; } pre { overflow-x: auto; margin: 12px 0 0; white-space: pre; }
footer { margin-top: 48px; padding-bottom: 40px; font-size: 12.5px; color: var(--soft); }
@media screen and (max-width: 860px) { svg.chart.wide { min-width: 640px; } .tiles { grid-template-columns: 1fr 1fr; } .grid2, .grid3, .answers, .judgements { grid-template-columns: minmax(0, 1fr); } main, header.top > div, footer, nav.toc > div { padding-left: 16px; padding-right: 16px; } }
@media print {
  :root { color-scheme: light; ${LIGHT} --page: #ffffff; }
  @page { margin: 14mm 13mm; }
  body { font-size: 10.5pt; } nav.toc { display: none; } main, header.top > div, footer { max-width: none; padding: 0; } header.top { padding-top: 0; border: 0; }
  .tiles { grid-template-columns: repeat(4, 1fr); gap: 8px; } .tile .number { font-size: 20px; } .card { padding: 12px 14px; } table.heat td { padding: 6px 1px; font-size: 12px; } table.heat th { font-size: 10px; } .bands { font-size: 11px; } .bands span { font-size: 10px; } td { padding-left: 10px; } th { padding-left: 10px; font-size: 11px; }
  .card, figure, tr, .note, h2 + p { break-inside: avoid; } h2, h3 { break-after: avoid; } h2 { margin-top: 26px; } a { color: inherit; }
  .judgement { border: 1px solid var(--line); } pre { white-space: pre-wrap; }
}`;

function colorRules(name: string, variable: string): string {
  return `.${name} { color: var(${variable}); } svg path.${name}, svg line.${name} { stroke: var(${variable}); } svg circle.${name}, svg text.${name} { fill: var(${variable}); }`;
}

/** Background of a share on a scale around one half: warm below chance, cool above it, pale near it. */
export function heat(share: number): string {
  const strength = Math.round(Math.min(1, Math.abs(share - 0.5) * 2) * 62);
  return `background: color-mix(in srgb, var(${share < 0.5 ? '--warm' : '--cool'}) ${strength}%, var(--heat-base))`;
}
