// One answer's widget: it keeps what arrives, and takes the view's code from the library model of its kernel (library.js).
const page = (globalThis[Symbol.for('claude-jupyter.code.1')] ??= {});
const sleep = ms => new Promise(done => setTimeout(done, ms));

async function code(model) {
  if (page.mount) return page; // lent by the extension
  const { id, version } = model.get('library');
  for (let i = 0; i < 300 && !page[version]; i++) {
    if (i === 50) model.widget_manager?.get_model?.(id)?.catch?.(() => {});
    await sleep(i < 50 ? 10 : 100);
  }
  return page[version];
}

export default () => {
  const log = [];
  const views = new Set();
  return {
    initialize({ model }) {
      model.on('msg:custom', message => {
        log.push(message);
        views.forEach(view => view.push(message));
      });
      model.on('comm:close', () => views.forEach(view => view.closed?.()));
    },
    async render({ model, el }) {
      const view = (await code(model))?.mount({ model, el, log });
      if (!view) return void (el.textContent = 'The answer appears here when it is complete.');
      views.add(view);
      return () => view.dispose() !== false && views.delete(view); // else an output shows it now, and goes on listening
    }
  };
};
