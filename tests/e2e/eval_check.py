"""The steps of eval.sh that look into files.

usage: eval_check.py FOLDER STEP [ARGUMENT]
"""
import json
import struct
import sys
folder, step = sys.argv[1:3]
# The people of demo.jpg, drawn by hand: x, y, width, height.
PEOPLE = [[83, 154, 26, 61], [222, 192, 26, 73], [489, 146, 27, 75],
          [618, 268, 30, 98], [706, 254, 33, 97], [678, 102, 16, 49],
          [705, 110, 15, 44]]
KEYS = ("ap ap50 ap75 ap_small ap_medium ap_large ar1 ar10 ar100 ar_small "
        "ar_medium ar_large duplicate_rate").split()


def load(name):
    with open(folder + "/" + name) as file:
        return json.load(file)


def save(name, value):
    with open(folder + "/" + name, "w") as file:
        json.dump(value, file)


def lines(name):
    with open(folder + "/" + name) as file:
        return file.read().splitlines()


def jpeg_size(path):
    """(width, height), of the frame header."""
    with open(path, "rb") as file:
        data = file.read()
    at = 2
    while data[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    height, width = struct.unpack(">HH", data[at + 5:at + 9])
    return width, height


def people():
    """The blocks as people, behind a photograph; no objects yet."""
    data = load("a.json")
    width, height = jpeg_size(folder + "/demo.jpg")
    photograph = {"id": 41, "file_name": "demo.jpg", "width": width,
                  "height": height}
    data["images"].insert(0, photograph)
    data["categories"][0]["name"] = "person"
    data["annotations"] = []
    save("people.json", data)


def plain():
    """The bundled model without its filter, and with the threshold for use that
    a file without one has."""
    path = folder + "/person.safetensors"
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    spec = json.loads(header["__metadata__"]["defcn.spec"])
    spec["duplicate_iou"] = 0
    del spec["working_threshold"]
    header["__metadata__"]["defcn.spec"] = json.dumps(spec)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data[8 + length:])


def drawn():
    """People whom no model told of, in the photograph's pixels and in a record
    of twice the size."""
    width, height = jpeg_size(folder + "/demo.jpg")
    for name, k in ("drawn.json", 1), ("drawn2.json", 2):
        save(name, {
            "images": [{"id": 1, "file_name": "demo.jpg", "width": k * width,
                        "height": k * height}],
            "categories": [{"id": 7, "name": "person"}],
            "annotations": [
                {"id": i, "image_id": 1, "category_id": 7, "iscrowd": 0,
                 "bbox": [k * v for v in box], "area": box[2] * box[3]}
                for i, box in enumerate(PEOPLE)]})
    save("drawn.odgt", {"ID": "demo", "gtboxes": [
        {"tag": "person", "fbox": box, "extra": {}} for box in PEOPLE]})


def found():
    one, two = load("drawn_1.json"), load("drawn_2.json")
    crowd = load("drawn_3.json")
    assert one["ap50"] > 0.75 and one["ap"] > 0.4, one
    assert one["nms"]["ap50"] > 0.8 and one["local"]["ap50"] > 0.8, one
    for key in "ap", "ap50", "ap75", "ar10", "ar100", "duplicate_rate":
        assert abs(one[key] - two[key]) < 1e-6, (key, one, two)
    assert crowd["recall"] == 1 and crowd["ap50"] > 0.6, crowd
    assert 0 <= crowd["mmr"] < 0.7, crowd


def objects():
    """What is found with some certainty becomes the truth, the even boxes a
    little moved so that not every threshold matches."""
    data = load("people.json")
    found = [d for d in load("found.json") if d["score"] > 0.3]
    assert len(found) > 1, found
    for i, d in enumerate(found):
        x, y, w, h = d["bbox"]
        box = [x + (i % 2) * w / 8, y, w, h]
        data["annotations"].append({
            "id": i + 1, "image_id": d["image_id"], "category_id": 7,
            "bbox": box, "area": w * h, "iscrowd": 0})
    save("people.json", data)
    with open(folder + "/people.odgt", "w") as file:
        for image in data["images"]:
            if image["file_name"].endswith(".jpg"):
                boxes = [{"tag": "person", "fbox": a["bbox"], "extra": {}}
                         for a in data["annotations"]
                         if a["image_id"] == image["id"]]
                file.write(json.dumps({"ID": "demo", "gtboxes": boxes}) + "\n")
    pictures = [dict(data["images"][0], id=i) for i in range(60000)]
    save("long.json", dict(data, images=pictures, annotations=[]))


def close(text, value):
    """A cell of the table; a negative value is none."""
    if text == "-":
        assert value < 0, value
    else:
        assert abs(float(text) - value) <= 0.5001e-4, (text, value)


def same_row(row, key, result, *path):
    """The three cells at the end of a row of a model without NMS."""
    cells = row.replace("not reached", "-").split()[-3:]
    for cell, column in zip(cells, (result, result["local"], result["nms"])):
        for name in path:
            column = column[name]
        close(cell, column.get(key, -1))


def table():
    rows, result = lines("table"), load("file.json")
    assert rows[0].split() == ["none", "local", "0.70", "NMS", "0.60"], rows[0]
    assert result["own"] == "no_nms" and "no_nms" not in result, result
    for row, key in zip(rows[1:], KEYS):
        assert row[:2] == key[:2].upper() or row.startswith("duplicate"), row
        same_row(row, key, result)
    at = rows.index("at the working threshold, 0.30")
    for row, key in zip(rows[at + 1:], ("precision", "recall", "f1",
                                        "duplicate_rate")):
        assert row.split()[0].lower() == key.split("_")[0], row
        same_row(row, key, result, "working")
    at = rows.index("where the recall is %.4f" % result["working"]["recall"])
    for row, key in zip(rows[at + 1:], ("threshold", "precision", "recall",
                                        "f1", "duplicate_rate")):
        assert row.split()[0].lower() == key.split("_")[0], row
        same_row(row, key, result, "at_recall")
    at = rows.index("pictures of 8 objects or more: %d"
                    % result["crowded"]["images"])
    for row, key in zip(rows[at + 1:], ("ap50", "recall", "working_recall")):
        assert row.split()[0].lower() == key.split("_")[-1], row
        same_row(row, key, result, "crowded")
    at = rows.index("the model's own way: none")
    assert rows[at + 1].startswith("  F1 is best around %.2f: %.4f there" % (
        result["best"]["threshold"], result["best"]["f1"])), rows[at + 1]
    assert rows[at + 2] == "  expected calibration error %.4f" % (
        result["calibration_error"]), rows[at + 2]
    assert result["images"] == 7 and rows[-1].startswith("7 images")
    assert abs(result["local"]["duplicate_iou"] - 0.7) < 1e-6
    assert result["ap50"] > 0.5 and 0 < result["ap"] < 1, result
    assert abs(result["nms"]["nms_iou"] - 0.6) < 1e-6
    assert abs(result["threshold"] - 0.05) < 1e-6


def results():
    data, found = load("people.json"), load("results.json")
    sizes = {i["id"]: (i["width"], i["height"]) for i in data["images"]}
    seen = {}
    assert found
    for d in found:
        assert set(d) == {"image_id", "category_id", "bbox", "score"}, d
        x, y, w, h = d["bbox"]
        width, height = sizes[d["image_id"]]
        assert d["category_id"] == 7
        assert 0 <= x and 0 <= y and w > 0 and h > 0, d
        assert x + w <= width + 1e-3 and y + h <= height + 1e-3, d
        assert 0.05 < d["score"] <= seen.get(d["image_id"], 1), d
        seen[d["image_id"]] = d["score"]
    assert 41 in seen and len(seen) > 1, seen


def same(a, b):
    """But for how long it took."""
    assert dict(a, milliseconds=0) == dict(b, milliseconds=0), (a, b)


def output():
    same(load("output.json"), load("file.json"))


def limit():
    result, images = load("limit.json"), int(sys.argv[3])
    assert result["images"] == images
    if images == 7:
        same(result, load("file.json"))


def classes():
    rows, result = lines("classes"), load("file.json")
    row = [r for r in rows if r.startswith("person")]
    assert len(row) == 1, rows
    same_row(row[0], "ap", result)
    same_row(row[0], "person", result, "class_ap")


def threshold():
    found = load("results.json")
    high = [d for d in found if d["score"] > 0.5]
    assert load("high_results.json") == high and 0 < len(high) < len(found)
    assert load("high.json")["threshold"] == 0.5
    assert load("high.json")["ar100"] < load("file.json")["ar100"]


def nms():
    before, after = load("file.json"), load("nms.json")
    assert after["nms"]["nms_iou"] > 0.94
    assert after["nms"]["ar100"] > before["nms"]["ar100"], after
    assert all(after[key] == before[key] for key in KEYS)
    assert after["local"] == before["local"], after


def nms_range():
    """The column with NMS of every range; the others are what they were."""
    names = ["scale_1", "scale_3", "scale_999", "across_3", "across_999"]
    whole = load("range_all.json")
    results = [load(name + ".json") for name in names]
    for result in results:
        assert all(result[key] == whole[key] for key in KEYS)
        assert result["local"] == whole["local"]
    assert results[0]["nms_window"] == 1 and results[0]["nms_per_scale"]
    assert results[3]["nms_window"] == 3 and "nms_per_scale" not in results[3]
    assert "nms_window" not in whole
    recalls = [result["nms"]["ar100"] for result in results]
    assert recalls[0] == whole["ar100"], recalls
    assert recalls[0] > recalls[1] >= recalls[2], recalls
    assert recalls[1] >= recalls[3] > recalls[4], recalls
    assert results[4]["nms"] == whole["nms"], results[4]
    assert "NMS per scale" in lines("per_scale")


def max_filter():
    """Fewer boxes with it, in all columns; phi 1 on one scale keeps all."""
    before, after = load("file.json"), load("max.json")
    assert after["max_filter"] == {"tau": 2, "phi": 3}
    assert "max_filter" not in before
    for a, b in ((before, after), (before["local"], after["local"]),
                 (before["nms"], after["nms"])):
        assert b["ar100"] < a["ar100"], (a["ar100"], b["ar100"])
    assert ("3DMF as post-processing, in all columns: tau 2, phi 3"
            in lines("max"))
    same_figures = load("no_max.json")
    assert all(same_figures[key] == before[key] for key in KEYS)


def duplicate_filter():
    before, after = load("file.json"), load("filter.json")
    assert after["local"]["duplicate_iou"] > 0.94
    assert after["local"]["ar100"] > before["local"]["ar100"], after
    assert all(after[key] == before[key] for key in KEYS)
    assert after["nms"] == before["nms"], after


def recall():
    """A recall that is reached takes a threshold, one that is not a word."""
    rows, low = lines("recall"), load("low_recall.json")
    for column in low, low["local"], low["nms"]:
        equal = column["at_recall"]
        assert equal["wanted"] == 0.2 and equal["reached"], equal
        assert equal["recall"] >= 0.2 and equal["threshold"] > 0.3, equal
    at = rows.index("where the recall is 1.0000")
    assert rows[at + 1].endswith(" not reached"), rows[at + 1]
    assert rows[at + 5].split()[-1] == "-", rows[at + 5]


def crowd_size():
    """One less than the photograph has, which photograph.json has alone."""
    data = load("people.json")
    for name in "images", "annotations":
        data[name] = [item for item in data[name]
                      if item.get("image_id", item["id"]) == 41]
    save("photograph.json", data)
    print(len(data["annotations"]) - 1)


def crowded():
    """The photograph has the most objects; alone, it has its own figures."""
    result, alone = load("crowded.json"), load("alone.json")
    assert result["crowded"]["images"] == 1, result["crowded"]
    assert result["crowded"]["least_objects"] == int(sys.argv[3]), result
    for a, b in (result, alone), (result["local"], alone["local"]), (
            result["nms"], alone["nms"]):
        assert a["crowded"]["ap50"] == b["ap50"], (a, b)
        assert a["crowded"]["working_recall"] == b["working"]["recall"], (a, b)


def read_model(name):
    with open(name, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__")
    spec = json.loads(metadata.pop("defcn.spec"))
    return spec.pop("working_threshold", None), (
        data[8 + size:], header, metadata, spec)


def calibrated():
    """The threshold of best F1, and nothing else, is in the file."""
    old, before = read_model(sys.argv[3])
    new, after = read_model(folder + "/calibrated.safetensors")
    result, again = load("calibrate.json"), load("again.json")
    assert before == after
    assert new == result["best"]["threshold"], (new, result["best"])
    assert abs(again["working"]["threshold"] - new) < 1e-6, again["working"]
    assert again["working"]["f1"] == result["best"]["f1"], again["working"]
    text = "working threshold %.2f -> %.2f" % (old or 0.3, new)
    assert lines("calibrate")[-1].endswith(text), lines("calibrate")


def reliability():
    with open(folder + "/reliability.png", "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    bins = load("file.json")["reliability"]
    n = sum(b["detections"] for b in bins)
    error = sum(b["detections"] * abs(b["precision"] - b["score"])
                for b in bins) / n
    assert abs(error - load("file.json")["calibration_error"]) < 1e-9


def duplicates():
    before, after = load("file.json"), load("duplicates.json")
    assert after["detections"] < before["detections"]
    assert after["ap"] == before["ap"]


def bootstrap():
    rows, figures = lines("draws"), load("draws.json")
    same_row([r for r in rows if r.startswith("AP50  2.5 % of 200 draws")][0],
             "low", figures, "bootstrap", "ap50")
    for column in figures, figures["local"], figures["nms"]:
        for key in "ap", "ap50":
            draws = column["bootstrap"][key]["draws"]
            # One of the pictures has all objects; where it is not drawn there
            # is nothing to measure.
            assert len(draws) == 200 and min(draws) == -1, draws
            assert {round(d, 9) for d in draws} == {-1, round(column[key], 9)}
            assert abs(column["bootstrap"][key]["low"] - column[key]) < 1e-9
    boxes = load("drawn_boxes.json")["bootstrap"]["ap"]["draws"]
    own = figures["bootstrap"]["ap"]["draws"]
    assert all(abs(a - b) < 1e-4 for a, b in zip(own, boxes)), (own, boxes)


def crowd():
    rows, result = lines("crowd"), load("crowd.json")
    keys = ["ap50", "mmr", "recall", "ji", "ji_threshold"]
    assert [r.split()[0] for r in rows[1:6]] == ["AP50", "mMR", "Recall", "JI",
                                                 "at"]
    for row, key in zip(rows[1:6], keys):
        same_row(row, key, result)
    assert 0.3 < result["ji"] <= 1, result["ji"]
    assert rows[6] == ("the recall of the annotations under NMS 0.60: %.4f"
                       % result["truth_recall"]), rows[6]
    assert 0.5 < result["truth_recall"] <= 1
    assert "at the working threshold, 0.30" in rows, rows
    assert not any("duplicate" in row for row in rows), rows
    assert result["working"]["recall"] > 0.5 and result["best"]["f1"] > 0.5
    assert result["images"] == 1 and "ap75" not in result
    assert result["recall"] > 0.5 and result["ap50"] > 0.5, result


globals()[step]()
