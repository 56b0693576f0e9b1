"""The loop that people write without GStreamer: OpenCV decodes and resizes,
onnxruntime runs a model of `defcn export --decode --preprocess --size WxH`,
what is above the threshold is printed as a record of defcnpublish.

usage: opencv_loop.py VIDEO MODEL WxH THREADS THRESHOLD LABEL[,LABEL..]
(needs opencv and onnxruntime)
"""
import json
import sys

import cv2
import onnxruntime

VIDEO, MODEL = sys.argv[1:3]
WIDTH, HEIGHT = map(int, sys.argv[3].split("x"))
THREADS, THRESHOLD = int(sys.argv[4]), float(sys.argv[5])
LABELS = sys.argv[6].split(",")


def record(boxes, scores, labels, milliseconds):
    objects = []
    for box, score, label in zip(boxes, scores, labels):
        if score <= THRESHOLD:
            break
        x1, y1, x2, y2 = box.tolist()
        objects.append({"detection": {
            "bounding_box": {
                "x_min": max(x1 / WIDTH, 0), "x_max": min(x2 / WIDTH, 1),
                "y_min": max(y1 / HEIGHT, 0), "y_max": min(y2 / HEIGHT, 1)},
            "confidence": float(score), "label": LABELS[label],
            "label_id": int(label)}})
    return {"objects": objects, "timestamp": round(milliseconds * 1e6)}


def main():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    cv2.setNumThreads(THREADS)
    session = onnxruntime.InferenceSession(MODEL, options,
                                           ["CPUExecutionProvider"])
    capture = cv2.VideoCapture(VIDEO)
    while True:
        milliseconds = capture.get(cv2.CAP_PROP_POS_MSEC)
        read, picture = capture.read()
        if not read:
            break
        small = cv2.resize(picture, (WIDTH, HEIGHT))
        small = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        boxes, scores, labels = session.run(None, {"images": small[None]})
        print(json.dumps(record(boxes[0], scores[0], labels[0],
                                milliseconds)), flush=True)


if __name__ == "__main__":
    main()
