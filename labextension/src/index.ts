/** The list of plugins. What they do is in their own folders. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { prompts } from './cells/plugin';
import { answers } from './lab/answers';

const plugins: JupyterFrontEndPlugin<unknown>[] = [answers, prompts];

export default plugins;
