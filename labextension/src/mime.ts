/** The renderer of the answer mime type: the same view as the widget's, fed from the saved bundle. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { AnswerRenderer } from './lab/renderer';
import { MIME } from './protocol';

const extension: IRenderMime.IExtension = {
  id: 'claude-jupyter:mime',
  description: 'Shows answers of Claude.',
  rendererFactory: {
    safe: true,
    mimeTypes: [MIME],
    defaultRank: 40, // before text/markdown (60)
    createRenderer: options => new AnswerRenderer(options)
  },
  dataType: 'json'
};

export default extension;
