// JupyterLab's own way from Markdown to the HTML that it puts into the page, for the fuzzer: its removeMath, its marked
// parser plugin with its options and extensions, its replaceMath. Reads JSON strings, one a line, and writes JSON strings.
import { register } from 'node:module';
import { createInterface } from 'node:readline';

register('./lab_modules.mjs', import.meta.url);

const escaped = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
globalThis.navigator ??= { appName: 'Netscape' };
globalThis.document = { createElement: () => ({ innerHTML: '', remove() {} }) };

const { removeMath, replaceMath } = await import('@jupyterlab/rendermime/lib/latex.js');
const { createMarkdownParser } = await import('@jupyterlab/markedparser-extension');

// JupyterLab highlights every fence that names a language and puts the name into an attribute as it is.
const languages = {
  findBest: () => null,
  highlight: async (text, language, node) => {
    node.innerHTML = escaped(text);
  }
};
// Its Mermaid plugin draws the diagram; what matters here is that the source reached it (live.py looks at that).
const mermaid = {
  languages: ['mermaid'],
  walk: async () => {},
  render: text => `<x-mermaid>${escaped(text)}</x-mermaid>`
};
const parser = createMarkdownParser(languages, { blocks: [mermaid] });

for await (const line of createInterface({ input: process.stdin })) {
  const parts = removeMath(JSON.parse(line));
  const html = replaceMath(await parser.render(parts.text), parts.math);
  process.stdout.write(JSON.stringify(html) + '\n');
}
