/** The list of plugins. What they do is in their own folders. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { answers } from './lab/answers';

const plugins: JupyterFrontEndPlugin<unknown>[] = [answers];

export default plugins;
