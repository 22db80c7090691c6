/**
 * Mathematics for pages if nothing else typesets it: TeX to MathML, which browsers draw themselves. Built into a module of its own
 * (`static/tex.js`) that crosses at the first formula of a kernel, because it is larger than all the rest.
 */

import temml from 'temml';
import { page } from '../page';

const shared = page();
shared.tex = (source, display, node) => {
  temml.render(source, node, { displayMode: display, throwOnError: false, trust: false, maxSize: [50, 50], maxExpand: 200 });
};
shared.waiting.splice(0).forEach(typeset => typeset());
