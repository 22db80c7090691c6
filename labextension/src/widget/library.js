// The library model of a kernel: its code is imported once per page, then the page forgets the model, so that JupyterLab's
// "save widget state" cannot write it into a notebook. The kernel keeps it, for the next page.
export default {
  initialize({ model }) {
    const page = (globalThis[Symbol.for('claude-jupyter.code.1')] ??= {});
    const version = model.get('version');
    const url = URL.createObjectURL(new Blob([model.get('code')], { type: 'text/javascript' }));
    page[version] ??= import(url);
    setTimeout(async () => {
      const known = await model.widget_manager?.get_model?.(model.get('id'));
      known?.trigger?.('comm:close', known);
      known?.close?.(true);
    });
  }
};
