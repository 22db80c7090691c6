// Lets Node load JupyterLab's modules as they are published for bundlers: imports without an extension, ES modules
// without `"type": "module"`, and packages that the Markdown pipeline names but does not call.
const STAND_INS = `
  export const IEditorLanguageRegistry = {}, IMermaidMarkdown = {}, IMarkdownParser = {};
  export class LruCache extends Map {}
`;
const NOT_CALLED = /^@jupyterlab\/(codemirror|coreutils|mermaid|rendermime)$/;

export async function resolve(specifier, context, next) {
  if (NOT_CALLED.test(specifier)) {
    return { url: 'data:text/javascript,' + encodeURIComponent(STAND_INS), shortCircuit: true };
  }
  return next(specifier === 'marked' ? (process.env.MARKED ?? specifier) : specifier, context);
}

export async function load(url, context, next) {
  return next(url, /@jupyterlab\//.test(url) ? { ...context, format: 'module' } : context);
}
