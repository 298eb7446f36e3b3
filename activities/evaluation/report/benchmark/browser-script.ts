/**
 * The page's one script: search, filter and page through the judgements. Everything is put in as text, never as
 * markup: the judgements are words of strangers.
 */
export const BROWSER_SCRIPT = `(() => {
  'use strict';
  const data = JSON.parse(document.getElementById('judgements-data').textContent);
  const PAGE = 50;
  const find = (id) => document.getElementById(id);
  const [search, filter, evaluation, list, status, previous, next] =
    ['j-search', 'j-filter', 'j-evaluation', 'j-list', 'j-status', 'j-previous', 'j-next'].map(find);
  let page = 0;
  let matches = [];

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const haystack = (row) => {
    if (row.hay === undefined)
      row.hay = [row.key, row.text, row.a, row.b, ...(row.turns || []).map((turn) => turn[1])].join('\\n').toLowerCase();
    return row.hay;
  };
  const block = (title, text, gold) =>
    make('div', { class: gold ? 'answer gold' : 'answer' },
      make('div', { class: 'label' }, make('span', {}, title), ...(gold ? [make('span', { class: 'pill good' }, 'better')] : [])),
      make('span', { class: 'pre' }, text));

  const detail = (row) => {
    const body = make('div', { class: 'body' });
    for (const [role, content] of row.turns || [])
      body.append(make('div', { class: 'turn' }, make('b', {}, role), make('span', { class: 'pre' }, content)));
    if (row.a !== undefined)
      body.append(make('div', { class: 'answers' }, block('Answer A', row.a, row.gold === 'A'), block('Answer B', row.b, row.gold === 'B')));
    body.append(row.text !== undefined
      ? make('div', { class: 'judgement' }, make('h4', {}, 'What the judge wrote'), make('div', { class: 'pre' }, row.text))
      : make('p', { class: 'muted' }, row.a === undefined ? 'No text is stored here; the verdict file has what there is.' : 'The judge wrote no text.'));
    return body;
  };
  const entry = (row) => {
    const good = row.result === 'right';
    const kind = good ? 'good' : row.result === 'tie' ? 'plain' : 'bad';
    const box = make('details', { class: 'card example' },
      make('summary', { class: 'head' },
        make('span', { class: 'pill ' + kind }, row.result),
        make('span', { class: 'mono' }, row.key),
        make('span', { class: 'small' }, 'says ' + row.said + ', better is ' + row.gold)));
    box.addEventListener('toggle', () => {
      if (box.open && box.children.length === 1) box.append(detail(row));
    });
    return make('li', {}, box);
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(matches.length / PAGE));
    page = Math.min(Math.max(0, page), pages - 1);
    list.replaceChildren(...matches.slice(page * PAGE, (page + 1) * PAGE).map(entry));
    status.textContent = matches.length.toLocaleString('en-US') + ' of ' + data.rows.length.toLocaleString('en-US') +
      ' judgements, page ' + (page + 1) + ' of ' + pages;
    previous.disabled = page === 0;
    next.disabled = page === pages - 1;
  };
  let timer;
  const apply = () => {
    // A search still waiting is part of this one: on its own it would turn the page back later.
    clearTimeout(timer);
    const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const wanted = filter.value;
    const which = evaluation.value;
    matches = data.rows.filter((row) =>
      (which === '' || String(row.e) === which) &&
      (wanted === '' || row.result === wanted || (wanted === 'not-right' && row.result !== 'right')) &&
      words.every((word) => haystack(row).includes(word)));
    page = 0;
    show();
  };

  search.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(apply, 120);
  });
  filter.addEventListener('change', apply);
  evaluation.addEventListener('change', apply);
  previous.addEventListener('click', () => { page -= 1; show(); });
  next.addEventListener('click', () => { page += 1; show(); });
  apply();
})();`;
