"""Writes ops/retinanet.safetensors beside it: anchors, matching, coding and
losses of RetinaNet for a made-up picture, by torchvision's own code.

Its anchors are detectron2's, which torchvision rounds: the grid is
torchvision's, the anchors of a cell are not.  Its losses are over the number of
foregrounds; the running mean that detectron2 has in its place is not here.

usage: make_retinanet.py [FOLDER]       (needs torch and torchvision)
"""
import pathlib
import sys

import numpy as np
import torch
from torchvision.models.detection import _utils, retinanet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_iou

from make import save

STRIDES = (8, 16, 32, 64, 128)
HEIGHT, WIDTH, CLASSES = 64, 96, 2
SIZES = [[4 * s * 2 ** (i / 3) for i in range(3)] for s in STRIDES]
RATIOS = (0.5, 1.0, 2.0)  # height over width
# x1, y1, x2, y2, class: one that anchors fit, the same again, one that none
# fits well, one that leaves the picture, one within another
OBJECTS = ((10.3, 6.1, 44.9, 37.2, 1), (12.1, 7.4, 45.5, 39.8, 0),
           (60.2, 40.6, 69.8, 43.1, 0), (40.7, -20.5, 120.4, 61.3, 1),
           (70.3, 8.9, 90.8, 31.7, 0))


def cells():
    """detectron2's, around 0."""
    for sizes in SIZES:
        boxes = []
        for size in sizes:
            for ratio in RATIOS:
                w = (size * size / ratio) ** 0.5
                boxes.append([-w / 2, -w * ratio / 2, w / 2, w * ratio / 2])
        yield torch.tensor(boxes)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else pathlib.Path(__file__).resolve().parent)
    torch.manual_seed(17)
    generator = AnchorGenerator(tuple(map(tuple, SIZES)),
                                (RATIOS,) * len(SIZES))
    generator.cell_anchors = list(cells())
    grid = [[-(-HEIGHT // s), -(-WIDTH // s)] for s in STRIDES]
    anchors = torch.cat(generator.grid_anchors(
        grid, [[torch.tensor(s)] * 2 for s in STRIDES]))

    objects = torch.tensor(OBJECTS)
    boxes, labels = objects[:, :4], objects[:, 4].long()
    iou = box_iou(boxes, anchors)
    best = iou.max(0).values
    # nothing hangs on a rounding
    assert min((best - t).abs().min() for t in (0.4, 0.5)) > 1e-5
    matched = _utils.Matcher(0.5, 0.4, allow_low_quality_matches=True)(iou)
    needed = (matched >= 0) & (best < 0.5)
    assert needed.any() and (matched == -2).any() and (best > 0.5).any()

    coder = _utils.BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
    logits = torch.randn(len(anchors), CLASSES) * 2 - 2
    codes = torch.randn(len(anchors), 4) * 0.5
    codes[::50, 2:] += 4  # some beyond the clamp
    codes[matched >= 0, 2:] = codes[matched >= 0, 2:].clamp(max=4)
    logits.requires_grad_(True)
    codes.requires_grad_(True)
    head = retinanet.RetinaNetHead(8, 9, CLASSES)
    losses = head.compute_loss(
        [{"boxes": boxes, "labels": labels}],
        {"cls_logits": logits[None], "bbox_regression": codes[None]},
        [anchors], [matched])
    (losses["classification"] + losses["bbox_regression"]).backward()
    print(f"{len(anchors)} anchors, {int((matched >= 0).sum())} of objects, "
          f"{int(needed.sum())} of them below .5, "
          f"{int((matched == -2).sum())} of neither; losses "
          f"{losses['classification'].item():.6f} and "
          f"{losses['bbox_regression'].item():.6f}")
    arrays = {
        "gt_boxes": boxes, "gt_classes": labels, "anchors": anchors,
        "logits": logits, "codes": codes, "matched": matched,
        "decoded": coder.decode_single(codes.detach(), anchors),
        "targets": coder.encode_single(boxes[matched.clamp(min=0)], anchors),
        "grad.logits": logits.grad, "grad.codes": codes.grad,
        "loss.classification": losses["classification"][None],
        "loss.bbox_regression": losses["bbox_regression"][None]}
    save(folder / "ops/retinanet.safetensors",
         {name: np.asarray(a.detach()) for name, a in arrays.items()},
         {"height": str(HEIGHT), "width": str(WIDTH)})


if __name__ == "__main__":
    main()
