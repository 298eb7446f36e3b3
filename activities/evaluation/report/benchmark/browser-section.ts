import { count } from '../format.js';
import { Html, html } from '../html.js';
import type { BrowserData } from './browser-data.js';

/** Search, filter and read single judgements; works by keyboard, every control is a native one. */
export function browserSection(data: BrowserData): Html {
  const one = data.evaluations.length === 1;
  return html`<h2 id="judgements">Judgements</h2>
    <p class="lead">
      Search keys, questions, answers and what the judge wrote; open a judgement to read it.
      ${data.without > 0 && `${count(data.without)} of them stand here without their texts, for the size of the page.`}
    </p>
    <div class="card controls">
      <label>Search <input id="j-search" type="search" autocomplete="off" /></label>
      <label
        >Show
        <select id="j-filter">
          <option value="">all</option>
          <option value="not-right">all that are not right</option>
          <option value="wrong">wrong</option>
          <option value="error">errors</option>
          <option value="tie">ties</option>
          <option value="right">right</option>
        </select></label
      >
      <label${new Html(one ? ' hidden' : '')}
        >Of
        <select id="j-evaluation">
          <option value="">every evaluation</option>
          ${data.evaluations.map((name, index) => html`<option value="${index}">${name}</option>`)}
        </select></label
      >
      <span class="pages">
        <button id="j-previous" type="button">Previous</button>
        <button id="j-next" type="button">Next</button>
      </span>
      <span id="j-status" class="small" role="status" aria-live="polite"></span>
    </div>
    <noscript><p class="note">Searching the judgements needs JavaScript; the verdict file holds them too.</p></noscript>
    <ul id="j-list" class="judgement-list"></ul>
    <script type="application/json" id="judgements-data">
      ${new Html(JSON.stringify(data).replace(/</g, '\\u003c'))}
    </script>`;
}

export const BROWSER_STYLE = `
.controls { display: flex; flex-wrap: wrap; gap: 10px 18px; align-items: center; }
.controls label { font-size: 13px; color: var(--soft); display: flex; gap: 8px; align-items: center; } .controls label[hidden] { display: none; }
.controls input, .controls select, .controls button { font: inherit; font-size: 14px; color: var(--ink); background: var(--page); border: 1px solid var(--line); border-radius: 7px; padding: 6px 10px; max-width: 100%; }
.controls button { cursor: pointer; } .controls button:disabled { opacity: 0.5; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.judgement-list { list-style: none; margin: 0; padding: 0; } .judgement-list .example { margin-top: 8px; }
.judgement-list summary { color: inherit; } .judgement-list .mono { overflow-wrap: anywhere; min-width: 0; }
.judgement-list details:not([open]) > .head { border-bottom: 0; }
tr.own td { background: var(--note-bg); } tr.own td.avg { background: var(--note-bg); }
@media screen and (max-width: 860px) { .controls label { flex: 1 1 100%; } .controls input, .controls select { flex: 1; min-width: 0; } nav.toc { position: static; } h1 { font-size: 22px; } .card { padding: 14px; } }`;
