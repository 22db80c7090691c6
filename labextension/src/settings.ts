/** What JupyterLab's settings editor says: this extension's own settings, and those for kernels, which they take over. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { JSONObject, JSONValue } from '@lumino/coreutils';

export const PLUGIN = 'claude-jupyter:plugin';

/** Of the page alone; a key never gets into the settings. */
const OWN = new Set(['run', 'key']);

let current: JSONObject = {};

/** The settings for kernels, by their names there, as messages carry them. */
export const kernelSettings = (): JSONObject => (Object.keys(current).length ? { settings: current } : {});

/** Follow the settings; `changed` is called at once, and after each change. */
export async function followSettings(registry: ISettingRegistry, changed: (settings: ISettingRegistry.ISettings) => void): Promise<void> {
  const settings = await registry.load(PLUGIN);
  const read = (): void => {
    const all = Object.entries(settings.composite).filter(([name, value]) => !OWN.has(name) && value !== undefined);
    current = Object.fromEntries(all) as { [name: string]: JSONValue };
    changed(settings);
  };
  settings.changed.connect(read);
  read();
}
