/** The renderers of our own mime types: answers with the same view as the widget's, fed from the saved bundle, and corrections. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { CorrectionRenderer } from './lab/correction';
import { AnswerRenderer } from './lab/renderer';
import { FIX, MIME } from './protocol';

const extensions: IRenderMime.IExtension[] = [
  {
    id: 'claude-jupyter:mime',
    description: "Shows Claude's answers.",
    rendererFactory: {
      safe: true,
      mimeTypes: [MIME],
      defaultRank: 40, // before text/markdown (60)
      createRenderer: options => new AnswerRenderer(options)
    },
    dataType: 'json'
  },
  {
    id: 'claude-jupyter:correction',
    description: 'Shows what %claude_fix would change.',
    rendererFactory: {
      safe: true,
      mimeTypes: [FIX],
      defaultRank: 40, // before text/html (50)
      createRenderer: () => new CorrectionRenderer()
    },
    dataType: 'json'
  }
];

export default extensions;
