/** One HTML file that opens anywhere: a title, tables, pictures; no script, nothing fetched, readable in light and dark. */
export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

export const section = (title: string, body: string): string => `<h2>${escapeHtml(title)}</h2>${body}`;

export const tableOf = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><tr>${heads.map((head) => `<th>${escapeHtml(head)}</th>`).join('')}</tr>${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`)
    .join('')}</table>`;

/** The numbers themselves, for whoever wants to read the page with a program. */
export const data = (value: unknown): string =>
  `<script type="application/json" id="results">${JSON.stringify(value).replaceAll('<', '\\u003c')}</script>`;

const style = `
:root{color-scheme:light dark;--c0:#3366cc;--c1:#dc6a19;--c2:#2e8b57;--c3:#a03cae;--c4:#b8860b;--c5:#c0392b;--c6:#4b8b9b;--c7:#7f7f7f}
body{overflow-x:auto;font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .3rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid #8884}
svg{width:100%;height:auto}.tick{font-size:11px;fill:currentColor;opacity:.7}
.grid{stroke:currentColor;opacity:.15}.line{fill:none;stroke-width:1.6}.note{opacity:.75}
.line.c0{stroke:var(--c0)}.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}.line.c3{stroke:var(--c3)}.line.c4{stroke:var(--c4)}.line.c5{stroke:var(--c5)}
.bar.c0{fill:var(--c0)}.bar.c1{fill:var(--c1)}.bar.c2{fill:var(--c2)}.bar.c3{fill:var(--c3)}.bar.c4{fill:var(--c4)}.bar.c5{fill:var(--c5)}.bar.c6{fill:var(--c6)}.bar.c7{fill:var(--c7)}
i.c0{background:var(--c0)}i.c1{background:var(--c1)}i.c2{background:var(--c2)}i.c3{background:var(--c3)}i.c4{background:var(--c4)}i.c5{background:var(--c5)}i.c6{background:var(--c6)}i.c7{background:var(--c7)}
.legend span{margin-right:1.2rem}.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}
.legend .shades{width:8em;margin:0 .6em;background:linear-gradient(90deg,color-mix(in srgb,var(--c0) 8%,transparent),var(--c0))}
.heat{fill:var(--c0)}.heat .ground{opacity:.08}
.dot{fill:var(--c0);opacity:.55}.dot.over{fill:var(--c5);opacity:.35}.dot.best{fill:var(--c2);opacity:1;stroke:currentColor}
.limit{stroke:var(--c5);stroke-dasharray:5 4}.name{font-size:12px;fill:currentColor}.pipeline{background:#fff}`;

export const page = (title: string, parts: readonly string[]): string =>
  `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${style}</style></head>
<body><h1>${escapeHtml(title)}</h1>
${parts.join('\n')}
</body></html>
`;
