"""The looks of a report: for a screen, light or dark, and for paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfdfc; --ink: #1d2126; --soft: #5c656f; --faint: #8d96a0; --rule: #dfe2e5;
  --wash: #f3f5f6; --accent: #0b5c8a; --warm: #b4530f; --one: #a9b3bc; --two: #6fa9c8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --ink: #e6e8ea; --soft: #a3abb3; --faint: #78818a; --rule: #30363b;
    --wash: #1d2125; --accent: #62b4df; --warm: #eb9a5b; --one: #66707a; --two: #4489ab;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3.5rem 1.5rem 4rem; max-width: 66rem;
  background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { font-size: 2.3rem; line-height: 1.15; font-weight: 650; letter-spacing: -.02em; margin: 0; }
h2 { font-size: 1.2rem; font-weight: 650; letter-spacing: -.005em; margin: 3.2rem 0 .7rem; }
h3 { font-size: .95rem; font-weight: 650; margin: 0 0 .4rem; }
p { max-width: 44rem; margin: .5rem 0; }
.lead { font-size: 1.12rem; color: var(--soft); margin-top: .6rem; }
.note, figcaption { color: var(--soft); font-size: .88rem; }
sub, sup { font-size: .72em; line-height: 0; }
figure { margin: 1rem 0 0; }
figcaption { margin-top: .4rem; max-width: 46rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--ink); font-size: 13px; font-family: inherit; }
svg .tick, svg .legend text { fill: var(--soft); font-size: 12px; }
svg .sub { font-size: 76%; }
svg .axis, svg .grid { stroke: var(--rule); fill: none; }
svg .axis { stroke: var(--faint); }
svg .hull { stroke: var(--accent); stroke-width: 1.8; fill: none; stroke-linejoin: round; }
svg .facet { fill: var(--accent); stroke: none; }
svg .tie { stroke: var(--accent); stroke-width: 1.2; stroke-opacity: .75; }
svg .one, svg .two { fill: none; stroke-width: 3.2; stroke-linecap: round; }
svg .one { stroke: var(--one); stroke-opacity: .55; }
svg .two { stroke: var(--two); stroke-opacity: .8; }
svg .dft { fill: var(--paper); stroke: var(--warm); stroke-width: 1.3; }
svg .stable { fill: var(--accent); stroke: var(--paper); stroke-width: 1.5; }
svg .name { font-weight: 600; font-size: 13.5px; }
svg .halo { stroke: var(--paper); stroke-width: 4; stroke-linejoin: round; paint-order: stroke; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin-top: .4rem; }
th, td { text-align: left; padding: .38rem .9rem .38rem 0; vertical-align: baseline; }
th {
  font-weight: 600; color: var(--soft); font-size: .8rem; line-height: 1.3; white-space: nowrap;
  border-bottom: 1px solid var(--faint); vertical-align: bottom;
}
td { border-bottom: 1px solid var(--rule); }
th.n, td.n { text-align: right; white-space: nowrap; }
.n + :not(.n) { padding-left: .9rem; }
th:last-child, td:last-child { padding-right: 0; }
td:first-child { white-space: nowrap; }
code { font: .86em ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
td code { overflow-wrap: anywhere; color: var(--soft); }
pre { background: var(--wash); padding: .8rem 1rem; overflow-x: auto; border-radius: 4px; }
pre .note { font-family: inherit; font-size: inherit; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: 1.2rem 2rem; margin: 2rem 0 0; padding: 0; }
.facts div { border-top: 2px solid var(--ink); padding-top: .45rem; }
.facts dd { margin: 0; font-size: 1.65rem; font-weight: 650; letter-spacing: -.02em;
  line-height: 1.2; }
.facts dt { color: var(--soft); font-size: .86rem; line-height: 1.35; }
.facts div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.funnel { margin: 1rem 0 0; display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem;
  align-items: center; font-size: .9rem; }
.funnel .bar { background: var(--accent); height: 1.25rem; border-radius: 2px; min-width: 2px; }
.funnel .row { display: flex; align-items: center; gap: .6rem; white-space: nowrap; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr));
  gap: 1.6rem 3rem; }
.pairs td:first-child { color: var(--soft); white-space: nowrap; }
.pairs td { overflow-wrap: anywhere; }
footer { margin-top: 3.5rem; padding-top: .9rem; border-top: 1px solid var(--rule);
  color: var(--soft); font-size: .85rem; }
@media print {
  :root {
    color-scheme: light;
    --paper: #fff; --ink: #000; --soft: #444; --faint: #777; --rule: #ccc; --wash: #f4f4f4;
    --accent: #0b5c8a; --warm: #b4530f; --one: #a9b3bc; --two: #6fa9c8;
  }
  body { padding: 0; max-width: none; font-size: 10pt; }
  h2 { margin-top: 1.6rem; break-after: avoid; }
  figure, tr, .facts { break-inside: avoid; }
  .scroll { overflow: visible; }
}
"""
