/** Colors for the languages of notebooks; others stay plain. */

import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import julia from 'highlight.js/lib/languages/julia';
import python from 'highlight.js/lib/languages/python';
import r from 'highlight.js/lib/languages/r';
import sql from 'highlight.js/lib/languages/sql';
import yaml from 'highlight.js/lib/languages/yaml';

const LANGUAGES = { bash, javascript, json, julia, python, r, sql, yaml };
for (const [name, language] of Object.entries(LANGUAGES)) {
  hljs.registerLanguage(name, language);
}
hljs.registerAliases(['ipython', 'ipython3', 'python3'], { languageName: 'python' });
hljs.registerAliases(['typescript', 'ts'], { languageName: 'javascript' });

/** Longer lines are not colored: some patterns take more than linear time on them. */
const LONGEST = 2000;

export function highlight(code: string, language: string, node: HTMLElement): boolean {
  if (!hljs.getLanguage(language) || code.split('\n').some(line => line.length > LONGEST)) {
    return false;
  }
  // highlight.js escapes the code itself: its output holds spans with classes of its own and text, nothing else.
  node.innerHTML = hljs.highlight(code, { language, ignoreIllegals: true }).value;
  return true;
}
