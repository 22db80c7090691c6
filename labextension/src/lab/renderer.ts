/** The renderer of the answer mime type: an output that draws itself as soon as the code for it is there. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import type { Drawing } from './drawing';
import { drawing } from './host';

export class AnswerRenderer extends Widget implements IRenderMime.IRenderer {
  private drawing: Drawing | null = null;

  constructor(private readonly options: IRenderMime.IRendererOptions) {
    super();
    this.addClass('cj-Output');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const { Drawing } = await drawing();
    if (!this.isDisposed) {
      this.drawing ??= new Drawing(this.node, this.options);
      await this.drawing.draw(model);
    }
  }

  protected override onAfterAttach(): void {
    this.drawing?.hideRepeated();
  }

  override dispose(): void {
    this.drawing?.clear();
    super.dispose();
  }
}
