/** The frame of every report: one page that opens offline and loads nothing. */
import { createHash } from 'node:crypto';
import { Html, html, type HtmlValue } from './html.js';
import { STYLE_SHEET } from './theme.js';

export interface PageParts {
  title: string;
  header: Html;
  /** Above the sections. */
  lead?: Html;
  /** Those without a body are left out, of the list at the top too. */
  sections: readonly { id: string; name: string; body: HtmlValue }[];
  footer: Html;
  /** Added to the style sheet of all reports. */
  style?: string;
  /** The page's own script, the only one that may run: by its hash. */
  script?: string;
}

/** The page as text. Should markup of strangers ever slip through, the browser loads and runs nothing of it. */
export function buildPage({ title, header, lead, sections, footer, style = '', script }: PageParts): string {
  const shown = sections.filter(({ body }) => body !== false);
  const policy = [
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
    ...(script ? [`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`] : []),
  ].join('; ');
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <title>${title}</title>
        <style>
          ${new Html(STYLE_SHEET + style)}
        </style>
      </head>
      <body>
        ${header}
        <nav class="toc" aria-label="Sections">
          <div>${shown.map(({ id, name }) => html`<a href="#${id}">${name}</a>`)}</div>
        </nav>
        <main>${lead} ${shown.map(({ body }) => body)}</main>
        <footer>${footer}</footer>
        ${script && new Html(`<script>${script}</script>`)}
      </body>
    </html> `.markup;
}
