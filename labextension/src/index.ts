/** The list of plugins. What they do is in their own folders. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { buttons } from './cells/commands';
import { prompts } from './cells/plugin';
import { answers } from './lab/answers';
import { costs } from './panel/plugin';

const plugins: JupyterFrontEndPlugin<unknown>[] = [answers, prompts, buttons, costs];

export default plugins;
