/** The list of plugins. What they do is in their own folders. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { buttons } from './cells/commands';
import { prompts } from './cells/plugin';
import { changes } from './change/plugin';
import { key } from './key';
import { answers } from './lab/answers';
import { costs } from './panel/plugin';
import { works } from './work/plugin';

const plugins: JupyterFrontEndPlugin<unknown>[] = [answers, prompts, buttons, costs, works, changes, key];

export default plugins;
